//! What was answered a moment ago.
//!
//! When a broker that was killed is back, it reads the half messages of its last rounds of
//! questions again, beside the copies of them that it wrote before it asked
//! (`TransactionalMessageServiceImpl.java`). Each such kill multiplies the copies, and the broker
//! asks about each of them. So an answer counts for all copies that are asked about at the same
//! time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::Shared;

use super::INDEXED_WITHIN;
use crate::ports::CheckAnswer;

/// How long an answer counts for further copies of its half message. It is shorter than the time
/// between two rounds of a broker, so that what was left open is worked out anew in the next one,
/// and shorter than a restart, in which a broker may lose what it held.
const COUNTS_FOR: Duration = Duration::from_secs(2);

/// For how many half messages answers are kept, about 100 bytes each. For further half messages,
/// the answer for each copy is worked out.
const HALF_MESSAGES_MAX: usize = 50_000;

/// A half message, and every copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HalfId {
    pub(super) event_id: EventId,
    pub(super) transaction_id: TransactionId,
}

/// The answers of this process that still matter.
pub(super) struct RecentAnswers(Mutex<Answers>);

struct Answers {
    /// When `current` began. It becomes `previous` after [`INDEXED_WITHIN`].
    since: Timestamp,
    current: HashMap<HalfId, Recent>,
    previous: HashMap<HalfId, Recent>,
}

#[derive(Clone)]
struct Recent {
    answer: Answer,
    committed_at: Option<Timestamp>,
}

#[derive(Clone)]
enum Answer {
    /// The answer is being worked out.
    UnderWay(Answering),
    /// The answer was given at this time.
    Given(CheckAnswer, Timestamp),
}

type Answering = Shared<oneshot::Receiver<CheckAnswer>>;

/// What to do about a question.
pub(super) enum Asked<'a> {
    /// Another copy's answer counts.
    Again(OtherAnswer),
    /// Work the answer out.
    Anew(Turn<'a>),
}

/// The answer to another copy.
pub(super) enum OtherAnswer {
    UnderWay(Answering),
    Given(CheckAnswer),
}

/// The turn to work an answer out. Further copies wait for it.
pub(super) struct Turn<'a> {
    answers: &'a RecentAnswers,
    half: HalfId,
    asked_at: Timestamp,
    committed_at: Option<Timestamp>,
    /// Sends the answer to waiting copies. A turn that ends without an answer leaves the half
    /// message open.
    waiting: Option<oneshot::Sender<CheckAnswer>>,
}

impl RecentAnswers {
    pub(super) fn new(now: Timestamp) -> Self {
        let (current, previous) = (HashMap::new(), HashMap::new());
        Self(Mutex::new(Answers { since: now, current, previous }))
    }

    pub(super) fn ask(&self, half: HalfId, now: Timestamp) -> Asked<'_> {
        let mut answers = self.lock();
        answers.forget_old(now);
        let committed_at = match answers.find(half) {
            Some(Recent { answer: Answer::UnderWay(answering), .. }) => {
                return Asked::Again(OtherAnswer::UnderWay(answering));
            }
            Some(Recent { answer: Answer::Given(answer, at), .. })
                if at.is_younger_than(COUNTS_FOR, now) =>
            {
                return Asked::Again(OtherAnswer::Given(answer));
            }
            found => found.and_then(|recent| recent.committed_at),
        };
        let (waiting, answering) = oneshot::channel();
        let answer = Answer::UnderWay(answering.shared());
        answers.keep(half, Recent { answer, committed_at });
        Asked::Anew(Turn {
            answers: self,
            half,
            asked_at: now,
            committed_at,
            waiting: Some(waiting),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer for a further copy. Each commit makes a message, so only one copy is committed. The
/// broker asks about the others again, when the message can be found.
const fn for_a_copy(answer: CheckAnswer) -> CheckAnswer {
    match answer {
        CheckAnswer::Rollback => CheckAnswer::Rollback,
        CheckAnswer::Commit | CheckAnswer::Unknown => CheckAnswer::Unknown,
    }
}

impl OtherAnswer {
    /// The answer for a further copy.
    pub(super) async fn for_a_copy(self) -> CheckAnswer {
        for_a_copy(match self {
            Self::UnderWay(answering) => answering.await.unwrap_or(CheckAnswer::Unknown),
            Self::Given(answer) => answer,
        })
    }
}

impl Answers {
    fn forget_old(&mut self, now: Timestamp) {
        if !self.since.is_younger_than(INDEXED_WITHIN, now) {
            self.previous = std::mem::take(&mut self.current);
            self.since = now;
        }
    }

    fn find(&self, half: HalfId) -> Option<Recent> {
        self.current.get(&half).or_else(|| self.previous.get(&half)).cloned()
    }

    fn keep(&mut self, half: HalfId, recent: Recent) {
        if self.current.len() < HALF_MESSAGES_MAX || self.current.contains_key(&half) {
            self.current.insert(half, recent);
        }
    }
}

impl Turn<'_> {
    /// When this process last committed a copy, unless that was long ago.
    pub(super) const fn committed_at(&self) -> Option<Timestamp> {
        self.committed_at
    }

    pub(super) fn answer(mut self, answer: CheckAnswer, now: Timestamp) {
        let committed_at =
            if answer == CheckAnswer::Commit { Some(now) } else { self.committed_at };
        self.give(Recent { answer: Answer::Given(answer, now), committed_at });
        if let Some(waiting) = self.waiting.take() {
            let _nobody_waits = waiting.send(answer);
        }
    }

    fn give(&self, recent: Recent) {
        self.answers.lock().keep(self.half, recent);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            let answer = Answer::Given(CheckAnswer::Unknown, self.asked_at);
            self.give(Recent { answer, committed_at: self.committed_at });
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn half(number: u128) -> HalfId {
        let id = Uuid::from_u128(number);
        HalfId { event_id: EventId::new(id), transaction_id: TransactionId::new(id) }
    }

    /// Asks about a half message, and commits it if its answer is to be worked out. Returns whether
    /// it was.
    fn is_new(answers: &RecentAnswers, number: u128, millis: i64) -> bool {
        let Asked::Anew(turn) = answers.ask(half(number), at(millis)) else { return false };
        turn.answer(CheckAnswer::Commit, at(millis));
        true
    }

    fn is_known(answers: &RecentAnswers, number: u128) -> bool {
        answers.lock().find(half(number)).is_some()
    }

    #[test]
    fn an_answer_counts_for_two_seconds() {
        let answers = RecentAnswers::new(at(0));
        assert!(is_new(&answers, 1, 0));
        assert!(!is_new(&answers, 1, 1_999));
        assert!(is_new(&answers, 1, 2_000));
    }

    #[test]
    fn an_answer_of_later_than_now_does_not_count() {
        let answers = RecentAnswers::new(at(0));
        assert!(is_new(&answers, 1, 1_000));
        assert!(is_new(&answers, 1, 999), "the clock was set back");
    }

    #[test]
    fn an_answer_is_known_for_half_a_minute_to_a_minute() {
        let answers = RecentAnswers::new(at(0));
        is_new(&answers, 1, 0);
        is_new(&answers, 2, 20_000);
        is_new(&answers, 3, 29_999);
        // From here on, the first three are those of the half minute before.
        is_new(&answers, 4, 30_000);
        is_new(&answers, 5, 30_000);
        is_new(&answers, 6, 59_999);
        assert!((1..=6).all(|number| is_known(&answers, number)));
        is_new(&answers, 7, 60_000);
        assert!((1..=3).all(|number| !is_known(&answers, number)));
        assert!((4..=7).all(|number| is_known(&answers, number)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_answers_longer() {
        let answers = RecentAnswers::new(at(100_000));
        is_new(&answers, 1, 100_000);
        is_new(&answers, 2, 0);
        is_new(&answers, 3, 30_000);
        assert_eq!([1, 2, 3].map(|number| is_known(&answers, number)), [false, true, true]);
    }

    #[test]
    fn answers_of_a_limited_number_of_half_messages_are_kept() {
        let answers = RecentAnswers::new(at(0));
        let mut answers = answers.lock();
        let recent = |committed_at| Recent {
            answer: Answer::Given(CheckAnswer::Commit, at(0)),
            committed_at,
        };
        let numbers = 0..HALF_MESSAGES_MAX as u128;
        numbers.clone().for_each(|number| answers.keep(half(number), recent(None)));
        answers.keep(half(numbers.end), recent(None));
        assert_eq!(answers.current.len(), HALF_MESSAGES_MAX);
        assert!(answers.find(half(numbers.end)).is_none());
        answers.keep(half(0), recent(Some(at(1))));
        let found = answers.find(half(0)).unwrap();
        assert_eq!(
            found.committed_at,
            Some(at(1)),
            "a newer answer replaces that of its half message"
        );
    }
}
