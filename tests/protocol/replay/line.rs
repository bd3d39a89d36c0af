//! A call's way out of its process, and its answer's way back.

use tokio::sync::{mpsc, oneshot};

pub(crate) type Reply<Answer> = oneshot::Sender<Answer>;

/// A process's end of the line. The holder of the other end decides whether and when a call
/// arrives, and how it is answered, if at all; a process that dies can't take back a call.
pub(crate) struct Line<Call>(mpsc::UnboundedSender<Call>);

impl<Call> Clone for Line<Call> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Call> Line<Call> {
    /// Also returns the end at which calls are held.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (calls, held) = mpsc::unbounded_channel();
        (Self(calls), held)
    }

    /// Waits for the answer, forever if none comes.
    pub(crate) async fn call<Answer>(&self, call: impl FnOnce(Reply<Answer>) -> Call) -> Answer {
        let (reply, answer) = oneshot::channel();
        // If nobody holds the call, nobody answers it.
        drop(self.0.send(call(reply)));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}
