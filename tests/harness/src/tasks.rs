//! Background tasks that end with their owner.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

/// A set of tasks; dropping it, or [`Tasks::abort`], ends them all.
///
/// It exists instead of `tokio::spawn` so that no task of a test's system lives on into the next
/// test of the same process.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    /// Starts `task`.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has ended is taken out here, so that the set grows with what runs and not with time.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until all tasks have ended by themselves.
    pub(crate) async fn finish(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }

    /// Ends all tasks where they stand, and tells how many that were.
    pub(crate) fn abort(&self) -> usize {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.abort_all();
        tasks.len()
    }
}
