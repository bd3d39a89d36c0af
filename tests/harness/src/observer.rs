//! Whoever sees what happens in a running system, such as a page that shows it.

use local_lambda::ProcessObserver;

use crate::broker_proxy::Passage;
use crate::table_proxy::TableCall;

/// Sees a system's traffic and processes. A system with an observer has no journal and no counts of
/// deliveries, because both would grow for as long as the system runs.
///
/// The methods are called while a request waits, so they must neither block nor call the system.
/// Events of one connection arrive in their order.
pub trait Observer: ProcessObserver {
    /// The table has answered the call.
    fn call(&self, function: &str, call: &TableCall);
    /// Called as the frame, between `function` and a broker, is passed on.
    fn frame(&self, function: &str, passage: &Passage);
}
