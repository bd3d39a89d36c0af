//! Tries the writes of users again until they are settled, and changes until what they are based on
//! is unchanged.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::retry::until_settled;
use crate::users::judging::{Judged, Settled};

/// How long the local transaction may take, with all its tries.
const LOCAL_TRANSACTION: Duration = Duration::from_secs(3);

/// By when a local transaction that begins now must be over.
pub(super) fn local_transaction(deadline: Deadline) -> Deadline {
    Deadline::after(LOCAL_TRANSACTION).or_earlier(deadline)
}

/// Tries a write again while what a try met settles nothing, the table is away, or the outcome of a
/// try is unknown: `judge` recognises an earlier try that was stored unnoticed. All tries are made
/// within a local transaction.
///
/// # Errors
///
/// [`Failure`] if that is not settled in time: the write may or may not be stored.
pub(super) async fn settle<Met, Refusal, Try>(
    deadline: Deadline,
    seed: u64,
    one_try: impl Fn(Deadline) -> Try,
    judge: impl Fn(&Met) -> Judged<Refusal>,
) -> Result<Settled<Refusal>, Failure>
where
    Try: Future<Output = WriteTry<Met>>,
{
    let pause = Backoff::new(Duration::from_millis(10), Duration::from_millis(400), seed);
    let within = local_transaction(deadline);
    let settled = until_settled(within, pause, one_try, |written, _| match written {
        Ok(()) => Some(Settled::Stored),
        Err(met) => judge(&met),
    });
    settled.await.map_err(|unsettled| unsettled.failure)
}

/// The tries of a change whose account or session other requests change as well. Each try reads
/// again what it changes. All of them are made within a local transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tries {
    within: Deadline,
}

impl Tries {
    pub(super) fn by(deadline: Deadline) -> Self {
        Self { within: local_transaction(deadline) }
    }

    /// The deadline of the next try.
    ///
    /// # Errors
    ///
    /// [`Failure`] if no time is left for one.
    pub(super) fn next(self) -> Result<Deadline, Failure> {
        if self.within.has_passed() {
            let cause = "no time is left to change the account or the session";
            return Err(Failure::new(FailureClass::Conflict, cause));
        }
        Ok(self.within)
    }
}
