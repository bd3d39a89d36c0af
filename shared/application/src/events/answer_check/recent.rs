//! What was answered a moment ago.
//!
//! A broker that is killed reads the half messages of its last rounds of questions again when it is
//! back, beside the copies of them that it wrote before it asked
//! (`TransactionalMessageServiceImpl.java`). Each such kill multiplies them, and it asks about each
//! copy. So an answer counts for all copies that are asked about at the same time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use super::INDEXED_WITHIN;
use crate::ports::CheckAnswer;

/// How long an answer counts for further copies of its half message. It is shorter than the time
/// between two rounds of a broker, so that what was left open is worked out anew in the next one,
/// and shorter than a restart, in which a broker may lose what it held.
pub(super) const COUNTS_FOR: Duration = Duration::from_secs(2);

/// Of how many half messages answers are kept, about 100 bytes each. Of further ones, each copy's
/// answer is worked out.
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

#[derive(Clone, Copy)]
struct Recent {
    /// The last answer and its time. `None` while one is worked out.
    given: Option<(CheckAnswer, Timestamp)>,
    /// The last commit.
    committed_at: Option<Timestamp>,
}

/// What to do about a question.
pub(super) enum Asked<'a> {
    /// Give this answer, because of another copy's.
    Again(CheckAnswer),
    /// Work the answer out.
    Anew(Turn<'a>),
}

/// The turn to work an answer out. Until it is dropped, further copies are left open.
pub(super) struct Turn<'a> {
    answers: &'a RecentAnswers,
    half: HalfId,
    recent: Recent,
    /// What the half message is answered with, and when. A turn that is given up leaves it open.
    given: (CheckAnswer, Timestamp),
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
            Some(Recent { given: None, .. }) => return Asked::Again(CheckAnswer::Unknown),
            Some(Recent { given: Some((answer, at)), .. }) if counts(at, now) => {
                return Asked::Again(for_a_copy(answer));
            }
            found => found.and_then(|recent| recent.committed_at),
        };
        let recent = Recent { given: None, committed_at };
        answers.keep(half, recent);
        Asked::Anew(Turn { answers: self, half, recent, given: (CheckAnswer::Unknown, now) })
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an answer still counts. If the clock was set back, it does not.
fn counts(at: Timestamp, now: Timestamp) -> bool {
    now >= at && now < at.plus(COUNTS_FOR)
}

/// Each commit makes a message, so one copy alone is committed. The others are asked about again,
/// when the message can be found.
const fn for_a_copy(answer: CheckAnswer) -> CheckAnswer {
    match answer {
        CheckAnswer::Rollback => CheckAnswer::Rollback,
        CheckAnswer::Commit | CheckAnswer::Unknown => CheckAnswer::Unknown,
    }
}

impl Answers {
    fn forget_old(&mut self, now: Timestamp) {
        if now < self.since || now >= self.since.plus(INDEXED_WITHIN) {
            self.previous = std::mem::take(&mut self.current);
            self.since = now;
        }
    }

    fn find(&self, half: HalfId) -> Option<Recent> {
        self.current.get(&half).or_else(|| self.previous.get(&half)).copied()
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
        self.recent.committed_at
    }

    pub(super) fn answer(mut self, answer: CheckAnswer, now: Timestamp) {
        self.given = (answer, now);
        if answer == CheckAnswer::Commit {
            self.recent.committed_at = Some(now);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let recent = Recent { given: Some(self.given), ..self.recent };
        self.answers.lock().keep(self.half, recent);
    }
}
