//! Metrics in CloudWatch's embedded metric format: one document for each invocation that has any,
//! on standard output, which Lambda hands to CloudWatch.
//!
//! Code counts through the facade `metrics`, as it logs through `tracing`. Each metric has one
//! dimension, the function's name, so that two stacks in one account are told apart. A metric whose
//! value is not a count of things has its unit in its name.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};

use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::failure::failure_chain;
use crate::settings::Settings;

/// The namespace of the metrics in CloudWatch.
pub const NAMESPACE: &str = "OrderService";

/// The one dimension that each of them has.
pub const DIMENSION: &str = "FunctionName";

/// What was counted since the last document.
#[derive(Clone, Copy)]
pub struct Metrics(Option<&'static Collector>);

/// Starts counting, under the name that Lambda gives the function. To be called once, in `main`;
/// what is counted before is lost.
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
    /// Awaits an invocation, and writes the document of what it counted. A process may be frozen
    /// right after its answer, so this comes before it.
    pub async fn flushed_after<T>(self, invocation: impl Future<Output = T>) -> T {
        let outcome = invocation.await;
        self.flush();
        outcome
    }

    /// Writes the document of what was counted since the last one on standard output, amid an
    /// invocation that may be killed.
    pub fn flush(self) {
        if let Err(error) = self.write_to(io::stdout().lock()) {
            tracing::error!(error = %failure_chain(&error), "metrics can't be written");
        }
    }

    /// Writes the document of what was counted since the last one, on one line; nothing when
    /// nothing was.
    ///
    /// # Errors
    ///
    /// When the output can't be written.
    pub fn write_to(self, mut output: impl Write) -> io::Result<()> {
        let Some(collector) = self.0 else { return Ok(()) };
        // One write, so that no log line comes in between.
        let mut document = Vec::new();
        collector.flush(&mut document)?;
        output.write_all(&document)
    }
}
