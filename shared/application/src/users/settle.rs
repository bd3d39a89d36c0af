//! Tries the writes of users again until they are settled.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::retry::until_settled;
use crate::users::judging::Judged;

/// How long the local transaction may take, with all its tries.
const LOCAL_TRANSACTION: Duration = Duration::from_secs(3);

/// By when a local transaction that begins now must be over, for use cases that read again and
/// begin anew when their write is stale.
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
pub(super) async fn settle<Met, Refusal, Attempt>(
    deadline: Deadline,
    seed: u64,
    attempt: impl Fn(Deadline) -> Attempt,
    judge: impl Fn(&Met) -> Judged<Refusal>,
) -> Result<Result<(), Refusal>, Failure>
where
    Attempt: Future<Output = WriteTry<Met>>,
{
    let pause = Backoff::new(Duration::from_millis(10), Duration::from_millis(400), seed);
    let within = local_transaction(deadline);
    let settled = until_settled(within, pause, attempt, |written, _| match written {
        Ok(()) => Some(Ok(())),
        Err(met) => judge(&met),
    });
    settled.await.map_err(|unsettled| unsettled.failure)
}

/// The failure if other requests changed the account during every try.
pub(super) fn account_keeps_changing() -> Failure {
    Failure::new(FailureClass::Conflict, "the account keeps changing")
}
