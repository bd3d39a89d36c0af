//! Sees the life of the functions' processes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// Sees the changes of processes, for a page that shows them, for example.
///
/// It is called under the host's locks, so it must neither block nor call the host. The changes of
/// one process come in their order.
pub trait ProcessObserver: Send + Sync {
    fn process(&self, function: &str, pid: u32, change: &ProcessChange);
}

#[derive(Debug, Clone)]
pub enum ProcessChange {
    Started,
    Invoked {
        payload: Bytes,
    },
    /// It is ready, and begins with its first request.
    Initialised {
        /// From the process's start until it asked for its first event.
        init: Duration,
    },
    Answered {
        /// The function's answer, or the description of the error.
        payload: Bytes,
        is_error: bool,
        /// From the event to the answer.
        duration: Duration,
    },
    /// It waits for its next request.
    Waits {
        /// Whether it is frozen meanwhile.
        is_frozen: bool,
    },
    Ended {
        /// For a person to read.
        reason: String,
    },
}

#[derive(Clone)]
pub(super) struct FunctionObserver {
    pub(super) observer: Arc<dyn ProcessObserver>,
    pub(super) function: String,
}

impl FunctionObserver {
    pub(super) fn process(&self, pid: u32, change: &ProcessChange) {
        self.observer.process(&self.function, pid, change);
    }
}
