//! Concurrent polls: one for each topic on each broker.
//!
//! A broker that delays its answer, or does not answer at all, does not delay the messages of
//! others. Received messages are kept until a caller asks for them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::outcome::Failure;
use application::ports::Topic;
use domain::timestamp::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a broker is not polled after its first failure, while others answer. The pause doubles
/// with each further failure.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest pause after a broker's failure.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How carefully a source is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caution {
    /// Whether its last poll failed.
    pub(crate) has_failed: bool,
    /// The most messages to ask for: one after a failure, and twice as many after each success.
    ///
    /// A broker gives the first message of each queue whatever its length (`isTheBatchFull` in
    /// `DefaultMessageStore.java`), and the client closes a connection on which more than 16 MiB are
    /// announced (`FrameLimits` of rocketmq-transport 1.0.0). So a few long messages would make
    /// each answer for many fail. One message fits.
    pub(crate) most: usize,
}

/// A topic on a broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) topic: Topic,
    pub(crate) broker: String,
}

/// What a poll has received.
pub(crate) struct Polled<Message> {
    pub(crate) messages: Vec<Message>,
    /// Why messages that the broker gave are missing, if some are. This failure is returned like
    /// that of a poll, but the source counts as one that answers.
    pub(crate) loss: Option<Failure>,
}

impl<Message> Default for Polled<Message> {
    fn default() -> Self {
        Self { messages: Vec::new(), loss: None }
    }
}

/// The polls that are running, and the messages and failures of finished ones.
pub(crate) struct Polls<Message> {
    shared: Arc<Shared<Message>>,
    /// Dropping the tasks stops the polls.
    tasks: Mutex<JoinSet<()>>,
    /// How old a message may be when it is returned. After that the broker has delivered it to
    /// another consumer.
    valid_for: Duration,
}

struct Shared<Message> {
    state: Mutex<State<Message>>,
    changed: Notify,
}

struct State<Message> {
    running: HashSet<Source>,
    failing: HashMap<Source, Failing>,
    /// The most messages to ask for, of sources that have failed.
    limits: HashMap<Source, usize>,
    /// The most messages that any caller asks for.
    batch_max: usize,
    received: VecDeque<(Timestamp, Message)>,
    /// The failures that no caller has received yet.
    failures: VecDeque<Failure>,
}

struct Failing {
    in_a_row: u32,
    paused_until: Instant,
}

impl<Message> Shared<Message> {
    fn state(&self) -> MutexGuard<'_, State<Message>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Message: Send + 'static> Polls<Message> {
    pub(crate) fn new(valid_for: Duration, batch_max: usize) -> Self {
        let state = State {
            running: HashSet::new(),
            failing: HashMap::new(),
            limits: HashMap::new(),
            batch_max,
            received: VecDeque::new(),
            failures: VecDeque::new(),
        };
        let shared = Shared { state: Mutex::new(state), changed: Notify::new() };
        Self { shared: Arc::new(shared), tasks: Mutex::default(), valid_for }
    }

    /// At most `most` received messages, or the failure of a poll. Each failure is returned once.
    /// `None` if there is neither.
    pub(crate) fn take(
        &self,
        most: usize,
        now: Timestamp,
    ) -> Option<Result<Vec<Message>, Failure>> {
        let mut state = self.shared.state();
        state.received.retain(|(at, _)| now.since(*at) < self.valid_for);
        let count = state.received.len().min(most);
        if count > 0 {
            return Some(Ok(state.received.drain(..count).map(|(_, message)| message).collect()));
        }
        state.failures.pop_front().map(Err)
    }

    /// Starts a poll of each source that has no running one, for at most `most` messages. A source
    /// that failed is not polled for a while, unless all sources have failed.
    pub(crate) fn begin<Context, Poll>(
        &self,
        sources: Vec<(Source, Context)>,
        most: usize,
        poll: impl Fn(&Source, Context, Caution) -> Poll,
    ) where
        Poll: Future<Output = (Timestamp, Result<Polled<Message>, Failure>)> + Send + 'static,
    {
        let idle = self.shared.state().idle(sources, most, Instant::now());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        for (source, context, caution) in idle {
            let polled = poll(&source, context, caution);
            let running = RunningPoll { source, shared: Arc::clone(&self.shared) };
            tasks.spawn(async move {
                let (at, result) = polled.await;
                running.finish(at, result);
            });
        }
    }

    /// Waits until [`take`](Self::take) may return something or no poll is running, for at most
    /// `limit`. Returns whether `take` may return something.
    pub(crate) async fn changed(&self, limit: Duration) -> bool {
        let waited = tokio::time::timeout(limit, async {
            loop {
                let changed = self.shared.changed.notified();
                {
                    let state = self.shared.state();
                    if !state.received.is_empty() || !state.failures.is_empty() {
                        return true;
                    }
                    if state.running.is_empty() {
                        return false;
                    }
                }
                changed.await;
            }
        });
        waited.await.unwrap_or(false)
    }
}

impl<Message> State<Message> {
    /// Selects the sources to poll now, and marks them as running.
    fn idle<Context>(
        &mut self,
        mut sources: Vec<(Source, Context)>,
        most: usize,
        now: Instant,
    ) -> Vec<(Source, Context, Caution)> {
        let known: HashSet<_> = sources.iter().map(|(source, _)| source).collect();
        self.failing.retain(|source, _| known.contains(source));
        self.limits.retain(|source, _| known.contains(source));
        let is_paused =
            |source: &Source| self.failing.get(source).is_some_and(|f| f.paused_until > now);
        let all = sources.iter().all(|(source, _)| is_paused(source));
        sources.retain(|(source, _)| (all || !is_paused(source)) && !self.running.contains(source));
        self.running.extend(sources.iter().map(|(source, _)| source.clone()));
        let with_caution = sources.into_iter().map(|(source, context)| {
            let has_failed = self.failing.contains_key(&source);
            let most = self.limits.get(&source).map_or(most, |limit| most.min(*limit));
            (source, context, Caution { has_failed, most })
        });
        with_caution.collect()
    }
}

/// A running poll. However it ends, also by a panic, its drop removes the mark.
struct RunningPoll<Message> {
    source: Source,
    shared: Arc<Shared<Message>>,
}

impl<Message> RunningPoll<Message> {
    fn finish(self, at: Timestamp, result: Result<Polled<Message>, Failure>) {
        let mut state = self.shared.state();
        match result {
            Ok(Polled { messages, loss }) => {
                state.failing.remove(&self.source);
                if let Some(limit) = state.limits.remove(&self.source)
                    && limit < state.batch_max
                {
                    state.limits.insert(self.source.clone(), limit.saturating_mul(2));
                }
                state.received.extend(messages.into_iter().map(|message| (at, message)));
                state.failures.extend(loss);
            }
            Err(failure) => {
                let failing = state
                    .failing
                    .entry(self.source.clone())
                    .or_insert_with(|| Failing { in_a_row: 0, paused_until: Instant::now() });
                let pause = PAUSE.saturating_mul(1 << failing.in_a_row.min(8));
                failing.in_a_row += 1;
                failing.paused_until = Instant::now() + pause.min(PAUSE_MAX);
                state.limits.insert(self.source.clone(), 1);
                state.failures.push_back(failure);
            }
        }
    }
}

impl<Message> Drop for RunningPoll<Message> {
    fn drop(&mut self) {
        self.shared.state().running.remove(&self.source);
        self.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use application::outcome::FailureClass;
    use tokio::time::sleep;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn source(broker: &str) -> (Source, ()) {
        (Source { topic: Topic::Orders, broker: broker.to_owned() }, ())
    }

    fn polls() -> Polls<u32> {
        Polls::new(Duration::from_secs(20), 32)
    }

    async fn brings(
        after: Duration,
        messages: Vec<u32>,
    ) -> (Timestamp, Result<Polled<u32>, Failure>) {
        sleep(after).await;
        (NOW, Ok(Polled { messages, loss: None }))
    }

    async fn fails(after: Duration) -> (Timestamp, Result<Polled<u32>, Failure>) {
        sleep(after).await;
        (NOW, Err(Failure::new(FailureClass::Unavailable, "away")))
    }

    const SHORT: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_does_not_answer_does_not_delay_others() {
        let polls = polls();
        let begun = Instant::now();
        for n in 1..=20 {
            polls.begin(vec![source("silent"), source("good")], 32, |source, (), _| {
                let silent = source.broker == "silent";
                async move { if silent { fails(LONG).await } else { brings(SHORT, vec![n]).await } }
            });
            assert!(polls.changed(LONG).await);
            assert_eq!(polls.take(32, NOW).unwrap().unwrap(), [n]);
        }
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
        // Its failure is returned once.
        assert!(polls.changed(LONG).await);
        assert!(polls.take(32, NOW).unwrap().is_err());
        assert!(polls.take(32, NOW).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_failed_is_not_polled_for_a_while_if_others_answer() {
        let polls = polls();
        let polled = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..100 {
            polls.begin(vec![source("away"), source("good")], 32, |source, (), _| {
                polled.lock().unwrap().push(source.broker.clone());
                let away = source.broker == "away";
                async move {
                    if away { fails(SHORT).await } else { brings(SHORT, Vec::new()).await }
                }
            });
            sleep(Duration::from_millis(100)).await;
            polls.take(32, NOW);
        }
        let times = |broker: &str| polled.lock().unwrap().iter().filter(|b| *b == broker).count();
        // After 0, 0.5, 1.5, 3.5 and 7.5 s.
        assert_eq!((times("away"), times("good")), (5, 100));
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_brokers_fail_all_are_polled() {
        let polls = polls();
        let polls_begun = Mutex::new(0);
        for _ in 0..10 {
            polls.begin(vec![source("one"), source("other")], 32, |_, (), _| {
                *polls_begun.lock().unwrap() += 1;
                fails(SHORT)
            });
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(*polls_begun.lock().unwrap(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn received_messages_are_returned_in_parts_while_they_are_valid() {
        let polls = polls();
        polls.begin(vec![source("one")], 32, |_, (), _| brings(SHORT, vec![1, 2, 3, 4, 5]));
        assert!(polls.changed(LONG).await);
        assert_eq!(polls.take(2, NOW).unwrap().unwrap(), [1, 2]);
        assert_eq!(polls.take(2, NOW.plus(Duration::from_secs(19))).unwrap().unwrap(), [3, 4]);
        assert!(polls.take(2, NOW.plus(Duration::from_secs(20))).is_none());
        assert!(!polls.changed(LONG).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loss_is_returned_once_after_the_messages_and_pauses_nothing() {
        let polls = polls();
        let lossy = || async {
            let loss = Some(Failure::new(FailureClass::Unavailable, "one is missing"));
            (NOW, Ok(Polled { messages: vec![1], loss }))
        };
        polls.begin(vec![source("one")], 32, |_, (), _| lossy());
        assert!(polls.changed(LONG).await);
        assert_eq!(polls.take(32, NOW).unwrap().unwrap(), [1]);
        assert!(polls.take(32, NOW).unwrap().is_err());
        assert!(polls.take(32, NOW).is_none());
        polls.begin(vec![source("one"), source("other")], 32, |_, (), caution| async move {
            assert_eq!(caution, Caution { has_failed: false, most: 32 });
            brings(SHORT, vec![2]).await
        });
        assert!(polls.changed(LONG).await);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_one_message_is_asked_for_and_then_twice_as_many_each_time() {
        let polls = polls();
        let asked = Mutex::new(Vec::new());
        // What a caller asks for in between changes nothing.
        for (round, most) in [10, 10, 1, 10, 1, 10, 32, 32, 32].into_iter().enumerate() {
            polls.begin(vec![source("one")], most, |_, (), caution| {
                asked.lock().unwrap().push((caution.has_failed, caution.most));
                async move {
                    if round == 1 { fails(SHORT).await } else { brings(SHORT, Vec::new()).await }
                }
            });
            sleep(LONG).await;
            polls.take(32, NOW);
        }
        let expected = [
            (false, 10),
            (false, 10),
            (true, 1),
            (false, 2),
            (false, 1),
            (false, 8),
            (false, 16),
            (false, 32),
            (false, 32),
        ];
        assert_eq!(*asked.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_that_panics_is_no_longer_running() {
        let polls = polls();
        polls.begin(vec![source("one")], 32, |_, (), _| async { panic!("a bug") });
        assert!(!polls.changed(LONG).await);
        polls.begin(vec![source("one")], 32, |_, (), _| brings(SHORT, vec![1]));
        assert!(polls.changed(LONG).await);
    }
}
