use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::ports::{ChangeCancelled, RegistrationCancelled};

/// How long one try may take.
const TRY: Duration = Duration::from_secs(1);

/// Why a write was cancelled, if not for good.
pub(crate) trait Cancellation {
    /// Whether another try may succeed as it is.
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

/// Tries a write again while items are busy, the table is away, or a try's fate is unknown: its
/// repository recognises a try that landed unnoticed.
///
/// # Errors
///
/// [`Failure`] if that is not settled in time: the write may or may not be stored.
pub(crate) async fn settle<C, F>(
    deadline: Deadline,
    seed: u64,
    attempt: impl Fn(Deadline) -> F,
) -> Result<Result<(), C>, Failure>
where
    C: Cancellation,
    F: Future<Output = WriteTry<C>>,
{
    let mut pause = Backoff::new(Duration::from_millis(10), Duration::from_millis(400), seed);
    loop {
        let failure = match attempt(Deadline::after(TRY).or_earlier(deadline)).await {
            WriteTry::Done => return Ok(Ok(())),
            WriteTry::Cancelled(cancelled) if cancelled.is_busy() => {
                Failure::new(FailureClass::Conflict, "items are busy")
            }
            WriteTry::Cancelled(cancelled) => return Ok(Err(cancelled)),
            WriteTry::Refused(failure) if failure.class == FailureClass::Permanent => {
                return Err(failure);
            }
            WriteTry::Refused(failure) | WriteTry::Unknown(failure) => failure,
        };
        pause.wait(deadline).await;
        if deadline.has_passed() {
            return Err(failure);
        }
    }
}

/// Makes the waits of tries that may collide differ.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub(crate) fn seed(id: &uuid::Uuid) -> u64 {
    id.as_u128() as u64
}
