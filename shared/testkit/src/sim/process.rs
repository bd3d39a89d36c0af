//! A simulated process that can die and freeze at any point.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::task::{AbortHandle, JoinHandle};

/// A process: tasks that die and freeze together. Clones are the same process.
#[derive(Debug, Clone, Default)]
pub(super) struct Process(Arc<Mutex<Control>>);

#[derive(Debug, Default)]
struct Control {
    frozen: bool,
    dead: bool,
    /// Tasks that were woken while they were frozen.
    waiting: Vec<Waker>,
    tasks: Vec<AbortHandle>,
}

impl Process {
    /// Starts a task in this process; it does nothing when the process is dead. A join error means
    /// that the process died.
    pub(super) fn spawn<Value: Send + 'static>(
        &self,
        work: impl Future<Output = Value> + Send + 'static,
    ) -> JoinHandle<Value> {
        let task = tokio::spawn(Freezable { process: self.clone(), work: Box::pin(work) });
        let mut control = self.control();
        if control.dead {
            task.abort();
        }
        control.tasks.push(task.abort_handle());
        task
    }

    pub(super) fn kill(&self) {
        let mut control = self.control();
        control.dead = true;
        control.tasks.drain(..).for_each(|task| task.abort());
    }

    /// Stops the process, while time goes on.
    pub(super) fn freeze(&self) {
        self.control().frozen = true;
    }

    pub(super) fn thaw(&self) {
        let mut control = self.control();
        control.frozen = false;
        control.waiting.drain(..).for_each(Waker::wake);
    }

    /// Whether the process is dead, or all its tasks are finished.
    pub(super) fn is_over(&self) -> bool {
        let control = self.control();
        control.dead || control.tasks.iter().all(AbortHandle::is_finished)
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.0.lock().unwrap()
    }
}

struct Freezable<Value> {
    process: Process,
    work: Pin<Box<dyn Future<Output = Value> + Send>>,
}

impl<Value> Future for Freezable<Value> {
    type Output = Value;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Value> {
        let mut control = self.process.control();
        if control.frozen {
            control.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        drop(control);
        self.work.as_mut().poll(context)
    }
}

/// All running processes.
#[derive(Debug, Clone, Default)]
pub(super) struct Processes(Arc<Mutex<Vec<Process>>>);

impl Processes {
    /// Starts a new process with one task.
    pub(super) fn start<Value: Send + 'static>(
        &self,
        work: impl Future<Output = Value> + Send + 'static,
    ) -> (Process, JoinHandle<Value>) {
        let process = Process::default();
        let task = process.spawn(work);
        let mut all = self.0.lock().unwrap();
        all.retain(|process| !process.is_over());
        all.push(process.clone());
        (process, task)
    }

    pub(super) fn any(&self, draw: impl FnOnce(u64) -> u64) -> Option<Process> {
        let all = self.0.lock().unwrap();
        let alive: Vec<_> = all.iter().filter(|process| !process.is_over()).collect();
        let count = u64::try_from(alive.len()).unwrap();
        let at = usize::try_from(if count == 0 { return None } else { draw(count) }).unwrap();
        Some(alive[at].clone())
    }

    pub(super) fn thaw_all(&self) {
        self.0.lock().unwrap().iter().for_each(Process::thaw);
    }
}
