//! A closed loop: so many workers, each with its next call as soon as its last has returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::samples::Samples;

/// Something that can be done many times, by several at once.
pub(crate) trait Call: Send + Sync + 'static {
    /// Does it once, for the worker of that number, and says how long it took.
    fn call(&self, worker: usize) -> impl Future<Output = anyhow::Result<Duration>> + Send;
}

/// Makes `count` calls, `at_once` at a time.
///
/// # Errors
///
/// The first call's that failed: figures of a run with failures would be figures of something else.
pub(crate) async fn run<C: Call>(
    call: &Arc<C>,
    at_once: usize,
    count: u64,
) -> anyhow::Result<Samples> {
    let left = Arc::new(AtomicU64::new(count));
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..at_once {
        let (call, left) = (Arc::clone(call), Arc::clone(&left));
        workers.spawn(async move {
            let mut each = Vec::new();
            while take_one(&left) {
                each.push(call.call(worker).await?);
            }
            anyhow::Ok(each)
        });
    }
    let mut each = Vec::new();
    while let Some(ended) = workers.join_next().await {
        each.extend(ended.context("a worker panicked")??);
    }
    Ok(Samples::of(each, started.elapsed()))
}

fn take_one(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}
