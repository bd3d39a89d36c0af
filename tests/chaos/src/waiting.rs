//! Waiting for conditions.

use std::time::Duration;

use tokio::time::Instant;

/// For a condition on a slow machine. A check-back needs about 15 s; the sweep tries an event again
/// after a minute, and a broker that was killed may be away for as long.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// After this time the sweep has looked at every event that was pending at its start: 60 s, the
/// time between two looks, and the work.
pub(crate) const PAST_THE_SWEEP: Duration = Duration::from_secs(75);

const POLL: Duration = Duration::from_millis(100);

/// Later looks wait for this part of the time waited so far. It is also the greatest error of a
/// time that is measured by waiting.
const PART: u32 = 50;

/// Repeats `look` until it finds something.
///
/// # Errors
/// When it has found nothing for [`PATIENCE`], or a look fails.
pub async fn eventually<T>(
    what: &str,
    look: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    eventually_within(PATIENCE, what, look).await
}

/// How long it takes until something is so.
///
/// # Errors
/// When it takes longer than `limit`, or a look fails.
pub async fn how_long(
    limit: Duration,
    what: &str,
    is_so: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    eventually_within(limit, what, async || Ok(is_so().await?.then_some(()))).await?;
    Ok(begun.elapsed())
}

/// [`eventually`] with the caller's time limit.
///
/// # Errors
/// When it has found nothing by then, or a look fails.
pub async fn eventually_within<T>(
    limit: Duration,
    what: &str,
    look: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        let begun = Instant::now();
        if let Some(found) = look().await? {
            return Ok(found);
        }
        let waited = started.elapsed();
        anyhow::ensure!(waited < limit, "waited {limit:?}, but never: {what}");
        // So that looks that take long do not slow down the system.
        tokio::time::sleep(POLL.max(begun.elapsed()).max(waited / PART)).await;
    }
}
