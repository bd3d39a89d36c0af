//! Trying a write again until its fate is known.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// How long one try may take: long for a healthy table, and short enough for a second one.
pub(crate) const TRY: Duration = Duration::from_secs(1);

/// Repeats a try until `judge` breaks with what it settled. One that settled nothing continues with
/// what it met.
///
/// # Errors
///
/// What the last try met, if none has settled anything by the deadline.
pub(crate) async fn until_settled<R, T, F>(
    deadline: Deadline,
    mut pause: Backoff,
    attempt: impl Fn(Deadline) -> F,
    mut judge: impl FnMut(WriteTry<R>) -> ControlFlow<T, Failure>,
) -> Result<T, Failure>
where
    F: Future<Output = WriteTry<R>>,
{
    loop {
        let tried = attempt(Deadline::after(TRY).or_earlier(deadline)).await;
        let failure = match judge(tried) {
            ControlFlow::Break(settled) => return Ok(settled),
            ControlFlow::Continue(failure) => failure,
        };
        pause.wait(deadline).await;
        if deadline.has_passed() {
            return Err(failure);
        }
    }
}
