use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};
use crate::ports::{ChangeCancelled, RegistrationCancelled};
use crate::retry::until_settled;

/// Why a write was cancelled.
pub(crate) trait Cancellation {
    /// Whether the same write may succeed in another try.
    fn is_busy(&self) -> bool;
}

impl Cancellation for RegistrationCancelled {
    fn is_busy(&self) -> bool {
        *self == Self::Busy
    }
}

impl Cancellation for ChangeCancelled {
    fn is_busy(&self) -> bool {
        *self == Self::Busy
    }
}

/// Tries a write again while items are busy, the table is away, or the outcome of a try is unknown:
/// its repository recognises a try that was stored unnoticed.
///
/// # Errors
///
/// [`Failure`] if that is not settled in time: the write may or may not be stored.
pub(crate) async fn settle<Reason, Attempt>(
    deadline: Deadline,
    seed: u64,
    attempt: impl Fn(Deadline) -> Attempt,
) -> Result<Result<(), Reason>, Failure>
where
    Reason: Cancellation,
    Attempt: Future<Output = WriteTry<Reason>>,
{
    let pause = Backoff::new(Duration::from_millis(10), Duration::from_millis(400), seed);
    let settled = until_settled(deadline, pause, attempt, |written, _| match written {
        Err(cancelled) if cancelled.is_busy() => None,
        written => Some(written),
    });
    settled.await.map_err(|unsettled| unsettled.failure)
}
