//! Metrics in CloudWatch's embedded metric format: one document for each invocation with metrics,
//! on standard output, which Lambda hands to CloudWatch.
//!
//! Code counts through the facade `metrics`, as it logs through `tracing`. Each metric has one
//! dimension, the function's name, which distinguishes two stacks in one account. A metric whose
//! value is not a count has its unit in its name.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};

use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::failure::failure_chain;
use crate::settings::Settings;

/// The namespace of the metrics in CloudWatch.
pub const NAMESPACE: &str = "OrderService";

/// The one dimension of every metric.
pub const DIMENSION: &str = "FunctionName";

/// The values that were counted since the last document.
#[derive(Clone, Copy)]
pub struct Metrics(Option<&'static Collector>);

/// Starts counting, under the name that Lambda gives the function. Call it once, in `main`;
/// anything counted before is lost.
#[must_use]
pub fn start() -> Metrics {
    let function = Settings::from_environment()
        .optional("AWS_LAMBDA_FUNCTION_NAME", |name| Ok::<_, Infallible>(name.to_owned()))
        .unwrap_or_else(|| "unknown".to_owned());
    let collector =
        Builder::new().cloudwatch_namespace(NAMESPACE).with_dimension(DIMENSION, function).init();
    if let Err(error) = &collector {
        tracing::error!(%error, "metrics are not collected");
    }
    Metrics(collector.ok())
}

impl Metrics {
    /// Awaits an invocation and then writes the document of its counts. This happens before the
    /// answer is sent, because the process may be frozen right after that.
    pub async fn flushed_after<Outcome>(
        self,
        invocation: impl Future<Output = Outcome>,
    ) -> Outcome {
        let outcome = invocation.await;
        self.flush();
        outcome
    }

    /// Writes the counts since the last document to standard output, during an invocation that may
    /// be killed.
    pub fn flush(self) {
        if let Err(error) = self.write_to(io::stdout().lock()) {
            tracing::error!(error = %failure_chain(&error), "metrics can't be written");
        }
    }

    /// Writes the counts since the last document, on one line. Writes nothing if there are no
    /// counts.
    ///
    /// # Errors
    ///
    /// When the output can't be written.
    pub fn write_to(self, mut output: impl Write) -> io::Result<()> {
        let Some(collector) = self.0 else { return Ok(()) };
        // One write, so that no log line is mixed into the document.
        let mut document = Vec::new();
        collector.flush(&mut document)?;
        output.write_all(&document)
    }
}
