//! Someone who sees what happens in a running system, such as a page that shows it.

use local_lambda::ProcessObserver;

use crate::broker_proxy::Passage;
use crate::table_proxy::TableCall;

/// Sees a system's traffic and processes. With an observer, the proxies keep no journal and no
/// counts of deliveries, which would grow for as long as the system runs.
///
/// Its methods are called while a request waits, so they must neither block nor call the system.
/// What happens on one connection comes in its order.
pub trait Observer: ProcessObserver {
    /// A call of `function` that the table has answered.
    fn call(&self, function: &str, call: &TableCall);
    /// A frame between `function` and a broker, as it is passed on.
    fn frame(&self, function: &str, passage: &Passage);
}
