//! Background tasks that end with their owner.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

/// A set of tasks; dropping it, or [`Tasks::abort`], ends them all.
///
/// It is used instead of `tokio::spawn` so that no task of one test runs on during the next test in
/// the same process.
#[derive(Debug, Default)]
pub struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Finished tasks are removed here, so that the set does not grow with time.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Returns once all tasks have ended by themselves.
    pub async fn finish(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }

    /// Returns how many were running.
    pub fn abort(&self) -> usize {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.abort_all();
        tasks.len()
    }
}
