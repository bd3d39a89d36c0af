//! A process that runs step by step.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc::UnboundedReceiver;

/// Something that runs, and the calls that leave it. Dropping it kills it.
pub(crate) struct Process<Output, Call> {
    work: Pin<Box<dyn Future<Output = Output>>>,
    calls: UnboundedReceiver<Call>,
}

/// How far a process has run.
pub(crate) enum Step<Output, Call> {
    /// It has made a call, and waits for the answer.
    Called(Call),
    /// It is done.
    Finished(Output),
}

impl<Output, Call> Process<Output, Call> {
    /// A process that has not done anything yet.
    pub(crate) fn new(
        work: impl Future<Output = Output> + 'static,
        calls: UnboundedReceiver<Call>,
    ) -> Self {
        Self { work: Box::pin(work), calls }
    }

    /// Lets it run to its next call, or to its end.
    pub(crate) async fn go_on(&mut self) -> Step<Output, Call> {
        tokio::select! {
            biased;
            Some(call) = self.calls.recv() => Step::Called(call),
            output = &mut self.work => Step::Finished(output),
        }
    }
}
