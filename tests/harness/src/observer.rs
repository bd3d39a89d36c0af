//! Someone who sees what happens in a running system, such as a page that shows it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::broker_proxy::Passage;
use crate::table_proxy::TableCall;

/// Sees a system's traffic and processes. With an observer, the proxies keep no journal and no
/// counts of deliveries, which would grow for as long as the system runs.
///
/// Its methods are called while a request waits and under the host's locks, so they must neither
/// block nor call the system. What happens on one
/// connection or in one process comes in its order.
pub trait Observer: Send + Sync {
    /// A call of `function` that the table has answered.
    fn call(&self, function: &str, call: &TableCall);
    /// A frame between `function` and a broker, as it is passed on.
    fn frame(&self, function: &str, passage: &Passage);
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
pub(crate) struct FunctionObserver {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) function: String,
}

impl FunctionObserver {
    pub(crate) fn process(&self, pid: u32, change: &ProcessChange) {
        self.observer.process(&self.function, pid, change);
    }
}
