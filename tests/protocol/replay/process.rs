//! A process that runs step by step.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc::UnboundedReceiver;

/// A running future, and the calls that leave it. Dropping this kills the process.
pub(crate) struct Process<Output, Call> {
    work: Pin<Box<dyn Future<Output = Output>>>,
    calls: UnboundedReceiver<Call>,
}

pub(crate) enum Step<Output, Call> {
    /// It waits for the answer.
    Called(Call),
    Finished(Output),
}

impl<Output, Call> Process<Output, Call> {
    /// It has not done anything yet.
    pub(crate) fn new(
        work: impl Future<Output = Output> + 'static,
        calls: UnboundedReceiver<Call>,
    ) -> Self {
        Self { work: Box::pin(work), calls }
    }

    /// Runs to the next call, or to the end.
    pub(crate) async fn go_on(&mut self) -> Step<Output, Call> {
        tokio::select! {
            biased;
            Some(call) = self.calls.recv() => Step::Called(call),
            output = &mut self.work => Step::Finished(output),
        }
    }
}
