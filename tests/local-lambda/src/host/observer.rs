//! Someone who sees what becomes of the functions' processes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// Sees the changes of processes, such as for a page that shows them.
///
/// It is called under the host's locks, so it must neither block nor call the host. The changes of
/// one process come in their order.
pub trait ProcessObserver: Send + Sync {
    /// A change of a process of `function`.
    fn process(&self, function: &str, pid: u32, change: &ProcessChange);
}

/// A change of a function's process.
#[derive(Debug, Clone)]
pub enum ProcessChange {
    /// It was started for a request.
    Started,
    /// It got a request.
    Invoked {
        /// The event.
        payload: Bytes,
    },
    /// It has started, and begins with its first request.
    Initialised {
        /// From its start until it asked for its first event.
        init: Duration,
    },
    /// It answered its request.
    Answered {
        /// The answer, or the description of the error.
        payload: Bytes,
        /// Whether it reported an error.
        is_error: bool,
        /// From the event to the answer.
        duration: Duration,
    },
    /// It waits for its next request.
    Waits {
        /// Whether it is frozen meanwhile.
        is_frozen: bool,
    },
    /// It has ended.
    Ended {
        /// Why, for people to read.
        reason: String,
    },
}

/// One function's view of an observer.
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
