//! Tries a write again until its outcome is known.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, WriteTry};

/// How long one try may take: long for a healthy table, and short enough for a second one.
pub(crate) const TRY: Duration = Duration::from_secs(1);

/// A write whose outcome no try has settled.
pub(crate) struct Unsettled {
    /// The failure of the last try.
    pub(crate) failure: Failure,
    /// Whether the outcome of a try is unknown, so that the write may be stored.
    pub(crate) in_doubt: bool,
}

/// Repeats a try until `judge` returns a result. `judge` gets the result of a try that was stored
/// or cancelled, and whether the outcome of an earlier try is unknown; it returns `None` for busy
/// items. A try that was refused or has no answer is repeated; a try that was refused for good is
/// not.
///
/// # Errors
///
/// [`Unsettled`] if that takes longer than the deadline, or the write is refused for good.
pub(crate) async fn until_settled<Reason, Outcome, Try>(
    deadline: Deadline,
    mut pause: Backoff,
    one_try: impl Fn(Deadline) -> Try,
    judge: impl Fn(Result<(), Reason>, bool) -> Option<Outcome>,
) -> Result<Outcome, Unsettled>
where
    Try: Future<Output = WriteTry<Reason>>,
{
    let mut in_doubt = false;
    loop {
        let written = match one_try(Deadline::after(TRY).or_earlier(deadline)).await {
            WriteTry::Done => Ok(Ok(())),
            WriteTry::Cancelled(cancelled) => Ok(Err(cancelled)),
            WriteTry::NotBegun(failure) if failure.class == FailureClass::Permanent => {
                return Err(Unsettled { failure, in_doubt });
            }
            WriteTry::NotBegun(failure) => Err(failure),
            WriteTry::Unknown(failure) => {
                in_doubt = true;
                Err(failure)
            }
        };
        let failure = match written.map(|written| judge(written, in_doubt)) {
            Ok(Some(settled)) => return Ok(settled),
            Ok(None) => Failure::new(FailureClass::Conflict, "items are busy"),
            Err(failure) => failure,
        };
        pause.wait(deadline).await;
        if deadline.has_passed() {
            return Err(Unsettled { failure, in_doubt });
        }
    }
}
