//! The template's schedules.

use std::time::Duration;

use tokio::time::Instant;

use crate::entropy;
use crate::host::LambdaHost;
use crate::tasks::Tasks;
use crate::template::{FunctionSpec, Schedule};

/// The longest delay of an invocation. On AWS it is a minute.
pub const JITTER_MAX: Duration = Duration::from_secs(5);

/// Running schedules; they end when this is dropped. Running invocations continue.
///
/// EventBridge Scheduler invokes within the minute that a schedule names, not at its first second.
/// Here each invocation is up to [`JITTER_MAX`] late. That is enough for windows to overlap
/// differently each time, and short enough for a run of a few minutes to show what an hour on AWS
/// would. Unlike on AWS, the first invocation comes immediately, so that a new system works
/// immediately.
pub struct Schedules(Tasks);

impl Schedules {
    /// Each begins with an immediate invocation.
    #[must_use]
    pub fn start(functions: &[FunctionSpec], host: &LambdaHost) -> Self {
        let tasks = Tasks::default();
        for function in functions {
            for schedule in &function.schedules {
                tasks.spawn(run(function.name.clone(), schedule.clone(), host.clone()));
            }
        }
        Self(tasks)
    }

    /// Running invocations continue.
    pub fn stop(&self) {
        self.0.abort();
    }
}

/// Fires one schedule without end. Invocations are asynchronous, like those of EventBridge
/// Scheduler: a window that is still open does not delay the next one.
async fn run(function: String, schedule: Schedule, host: LambdaHost) {
    let invocations = Tasks::default();
    let started = Instant::now();
    for round in 0_u32.. {
        let late = if round == 0 { Duration::ZERO } else { entropy::jitter(JITTER_MAX) };
        tokio::time::sleep_until(started + schedule.rate.saturating_mul(round) + late).await;
        invocations.spawn(fire(function.clone(), schedule.clone(), host.clone()));
    }
}

/// Without retries: the next round is the retry.
async fn fire(function: String, schedule: Schedule, host: LambdaHost) {
    match host.invoke(&function, schedule.input).await {
        Ok(result) => {
            let payload = String::from_utf8_lossy(&result.payload);
            match &result.function_error {
                None => tracing::debug!(function, %payload, "a scheduled invocation has ended"),
                Some(error) => {
                    tracing::warn!(function, error, %payload, "a scheduled invocation failed");
                }
            }
        }
        Err(error) => tracing::debug!(function, %error, "a scheduled invocation was not possible"),
    }
}
