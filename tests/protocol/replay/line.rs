//! The way of a call out of its process, and of its answer back.

use tokio::sync::{mpsc, oneshot};

/// Returns an answer to its caller.
pub(crate) type Reply<Answer> = oneshot::Sender<Answer>;

/// A process's end of the line. The holder of the other end decides whether and when a call
/// arrives, and what is answered, if anything; a process that dies can't take back a call.
pub(crate) struct Line<Call>(mpsc::UnboundedSender<Call>);

impl<Call> Clone for Line<Call> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Call> Line<Call> {
    /// A line, and the end at which its calls are held.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (calls, held) = mpsc::unbounded_channel();
        (Self(calls), held)
    }

    /// Makes a call, and waits for its answer; without one it waits forever.
    pub(crate) async fn call<Answer>(&self, call: impl FnOnce(Reply<Answer>) -> Call) -> Answer {
        let (reply, answer) = oneshot::channel();
        // Where nobody holds the call, nobody answers it.
        drop(self.0.send(call(reply)));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}
