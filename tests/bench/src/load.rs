//! A closed loop: each worker makes its next call as soon as its last one has returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::samples::Samples;

/// Several workers can make it many times.
pub(crate) trait Call: Send + Sync + 'static {
    /// Makes the call once for a worker, and returns its duration.
    fn call(&self, worker: usize) -> impl Future<Output = anyhow::Result<Duration>> + Send;
}

/// Makes `count` calls with `at_once` workers.
///
/// # Errors
///
/// The error of the first failed call: a run with failures would measure something else.
pub(crate) async fn run<C: Call>(
    call: &Arc<C>,
    at_once: usize,
    count: u64,
) -> anyhow::Result<Samples> {
    let remaining = Arc::new(AtomicU64::new(count));
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..at_once {
        let (call, remaining) = (Arc::clone(call), Arc::clone(&remaining));
        workers.spawn(async move {
            let mut each = Vec::new();
            while take_one(&remaining) {
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

fn take_one(remaining: &AtomicU64) -> bool {
    remaining
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |remaining| remaining.checked_sub(1))
        .is_ok()
}
