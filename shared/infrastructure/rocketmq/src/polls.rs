//! Polls that are under way side by side: one of each topic on each broker.
//!
//! A broker that holds its answer back, or doesn't answer at all, holds up nobody else's messages.
//! What a poll brings is kept until somebody asks for it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::outcome::Failure;
use application::ports::Topic;
use domain::timestamp::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// For how long a broker is left alone after its first failure, while others answer; it doubles with
/// each further one.
const LEFT_ALONE_FOR: Duration = Duration::from_millis(500);

/// For how long a broker is left alone at the most.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(10);

/// A topic on a broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) topic: Topic,
    pub(crate) broker: String,
}

/// The polls that are under way, and what others have brought.
pub(crate) struct Polls<Message> {
    shared: Arc<Shared<Message>>,
    /// Their drop ends them.
    tasks: Mutex<JoinSet<()>>,
    /// How old a message may be that is handed out: after that the broker has given it to others.
    good_for: Duration,
}

struct Shared<Message> {
    state: Mutex<State<Message>>,
    changed: Notify,
}

struct State<Message> {
    under_way: HashSet<Source>,
    failing: HashMap<Source, Failing>,
    brought: VecDeque<(Timestamp, Message)>,
    /// Those that nobody was given yet.
    failures: VecDeque<Failure>,
}

struct Failing {
    in_a_row: u32,
    left_alone_until: Instant,
}

impl<Message> Shared<Message> {
    fn state(&self) -> MutexGuard<'_, State<Message>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Message: Send + 'static> Polls<Message> {
    pub(crate) fn new(good_for: Duration) -> Self {
        let state = State {
            under_way: HashSet::new(),
            failing: HashMap::new(),
            brought: VecDeque::new(),
            failures: VecDeque::new(),
        };
        let shared = Shared { state: Mutex::new(state), changed: Notify::new() };
        Self { shared: Arc::new(shared), tasks: Mutex::default(), good_for }
    }

    /// What was brought, `most` at the most, or why a poll failed: each failure is passed on once.
    /// `None` if there is neither.
    pub(crate) fn take(
        &self,
        most: usize,
        now: Timestamp,
    ) -> Option<Result<Vec<Message>, Failure>> {
        let mut state = self.shared.state();
        state.brought.retain(|(at, _)| now.since(*at) < self.good_for);
        let count = state.brought.len().min(most);
        if count > 0 {
            return Some(Ok(state.brought.drain(..count).map(|(_, message)| message).collect()));
        }
        state.failures.pop_front().map(Err)
    }

    /// Begins a poll of each source that has none under way, by `poll`, which gets what stands beside
    /// the source, and whether its last poll failed. Sources that failed are left alone for a while,
    /// unless all have.
    pub(crate) fn begin<Beside, Poll>(
        &self,
        sources: Vec<(Source, Beside)>,
        poll: impl Fn(&Source, Beside, bool) -> Poll,
    ) where
        Poll: Future<Output = (Timestamp, Result<Vec<Message>, Failure>)> + Send + 'static,
    {
        let idle = self.shared.state().idle(sources, Instant::now());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        for (source, beside, has_failed) in idle {
            let polled = poll(&source, beside, has_failed);
            let under_way = UnderWay { source, shared: Arc::clone(&self.shared) };
            tasks.spawn(async move {
                let (at, result) = polled.await;
                under_way.ended(at, result);
            });
        }
    }

    /// Waits until there may be something to [`take`](Self::take) or no poll is under way, and no
    /// longer than `limit`. Returns whether it is worth a look.
    pub(crate) async fn changed(&self, limit: Duration) -> bool {
        let waited = tokio::time::timeout(limit, async {
            loop {
                let changed = self.shared.changed.notified();
                {
                    let state = self.shared.state();
                    if !state.brought.is_empty() || !state.failures.is_empty() {
                        return true;
                    }
                    if state.under_way.is_empty() {
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
    /// Those of `sources` that are to be polled, marked as under way, with whether their last poll
    /// failed.
    fn idle<Beside>(
        &mut self,
        mut sources: Vec<(Source, Beside)>,
        now: Instant,
    ) -> Vec<(Source, Beside, bool)> {
        let known: HashSet<_> = sources.iter().map(|(source, _)| source).collect();
        self.failing.retain(|source, _| known.contains(source));
        let is_left_alone =
            |source: &Source| self.failing.get(source).is_some_and(|f| f.left_alone_until > now);
        let all = sources.iter().all(|(source, _)| is_left_alone(source));
        sources.retain(|(source, _)| {
            (all || !is_left_alone(source)) && !self.under_way.contains(source)
        });
        self.under_way.extend(sources.iter().map(|(source, _)| source.clone()));
        let with_outcome = sources.into_iter().map(|(source, beside)| {
            let has_failed = self.failing.contains_key(&source);
            (source, beside, has_failed)
        });
        with_outcome.collect()
    }
}

/// A poll. Whatever becomes of it, it is not under way for ever.
struct UnderWay<Message> {
    source: Source,
    shared: Arc<Shared<Message>>,
}

impl<Message> UnderWay<Message> {
    fn ended(self, at: Timestamp, result: Result<Vec<Message>, Failure>) {
        let mut state = self.shared.state();
        match result {
            Ok(messages) => {
                state.failing.remove(&self.source);
                state.brought.extend(messages.into_iter().map(|message| (at, message)));
            }
            Err(failure) => {
                let failing = state
                    .failing
                    .entry(self.source.clone())
                    .or_insert_with(|| Failing { in_a_row: 0, left_alone_until: Instant::now() });
                let pause = LEFT_ALONE_FOR.saturating_mul(1 << failing.in_a_row.min(8));
                failing.in_a_row += 1;
                failing.left_alone_until = Instant::now() + pause.min(LEFT_ALONE_MAX);
                state.failures.push_back(failure);
            }
        }
    }
}

impl<Message> Drop for UnderWay<Message> {
    fn drop(&mut self) {
        self.shared.state().under_way.remove(&self.source);
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
        Polls::new(Duration::from_secs(20))
    }

    async fn brings(after: Duration, messages: Vec<u32>) -> (Timestamp, Result<Vec<u32>, Failure>) {
        sleep(after).await;
        (NOW, Ok(messages))
    }

    async fn fails(after: Duration) -> (Timestamp, Result<Vec<u32>, Failure>) {
        sleep(after).await;
        (NOW, Err(Failure::new(FailureClass::Unavailable, "away")))
    }

    const SHORT: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_holds_up_no_other() {
        let polls = polls();
        let begun = Instant::now();
        for n in 1..=20 {
            polls.begin(vec![source("silent"), source("good")], |source, (), _| {
                let silent = source.broker == "silent";
                async move { if silent { fails(LONG).await } else { brings(SHORT, vec![n]).await } }
            });
            assert!(polls.changed(LONG).await);
            assert_eq!(polls.take(32, NOW).unwrap().unwrap(), [n]);
        }
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
        // Its failure is passed on, once.
        assert!(polls.changed(LONG).await);
        assert!(polls.take(32, NOW).unwrap().is_err());
        assert!(polls.take(32, NOW).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_failed_is_left_alone_while_others_answer() {
        let polls = polls();
        let asked = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..100 {
            polls.begin(vec![source("away"), source("good")], |source, (), _| {
                asked.lock().unwrap().push(source.broker.clone());
                let away = source.broker == "away";
                async move {
                    if away { fails(SHORT).await } else { brings(SHORT, Vec::new()).await }
                }
            });
            sleep(Duration::from_millis(100)).await;
            polls.take(32, NOW);
        }
        let times = |broker: &str| asked.lock().unwrap().iter().filter(|b| *b == broker).count();
        // After 0, 0.5, 1.5, 3.5 and 7.5 s.
        assert_eq!((times("away"), times("good")), (5, 100));
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_fail_all_are_asked() {
        let polls = polls();
        let asked = Mutex::new(0);
        for _ in 0..10 {
            polls.begin(vec![source("one"), source("other")], |_, (), _| {
                *asked.lock().unwrap() += 1;
                fails(SHORT)
            });
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(*asked.lock().unwrap(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_brought_is_handed_out_in_parts_while_it_is_good() {
        let polls = polls();
        polls.begin(vec![source("one")], |_, (), _| brings(SHORT, vec![1, 2, 3, 4, 5]));
        assert!(polls.changed(LONG).await);
        assert_eq!(polls.take(2, NOW).unwrap().unwrap(), [1, 2]);
        assert_eq!(polls.take(2, NOW.plus(Duration::from_secs(19))).unwrap().unwrap(), [3, 4]);
        assert!(polls.take(2, NOW.plus(Duration::from_secs(20))).is_none());
        assert!(!polls.changed(LONG).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_that_panics_is_not_under_way_for_ever() {
        let polls = polls();
        polls.begin(vec![source("one")], |_, (), _| async { panic!("a bug") });
        assert!(!polls.changed(LONG).await);
        polls.begin(vec![source("one")], |_, (), _| brings(SHORT, vec![1]));
        assert!(polls.changed(LONG).await);
    }
}
