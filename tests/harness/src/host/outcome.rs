//! What an invocation comes to.

use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

/// What Lambda calls a request that outlived its function's time-out.
const TIMED_OUT: &str = "Sandbox.Timedout";

/// What Lambda calls the end of a function's process.
const EXITED: &str = "Runtime.ExitError";

/// What a function returned.
#[derive(Debug, Clone)]
pub struct InvokeResult {
    /// The request id that the function saw.
    pub request_id: String,
    /// The function's answer, or the error's description as Lambda would give it.
    pub payload: Bytes,
    /// `Unhandled` when the function failed, ended or was too slow; the payload then has
    /// `errorType` and `errorMessage`.
    pub function_error: Option<String>,
    /// From the start of the process to its first request for work, when this request started it.
    pub init: Option<Duration>,
    /// From the hand-over of the event to the answer.
    pub duration: Duration,
}

impl InvokeResult {
    /// Whether the function's time-out ended it.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.error("errorType").is_some_and(|kind| kind == TIMED_OUT)
    }

    /// Whether its process ended by itself, as by a panic, and not by a signal.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        self.error("errorType").is_some_and(|kind| kind == EXITED)
            && self.error("errorMessage").is_some_and(|message| message.contains("exit status"))
    }

    /// A member of the error's description, when there is an error.
    fn error(&self, member: &str) -> Option<String> {
        let description = self.function_error.as_ref().and(self.json().ok())?;
        Some(description.get(member)?.as_str()?.to_owned())
    }

    /// The payload as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.payload)
    }
}

/// Why an invocation did not reach a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The template has no function of this name.
    #[error("there is no function {0}")]
    UnknownFunction(String),
    /// The host has been stopped.
    #[error("the Lambda host has stopped")]
    Stopped,
}

/// Why a request got no answer from the function itself.
#[derive(Debug)]
pub(super) enum Failure {
    /// The process could not be started.
    Start(std::io::Error),
    /// The function reported an error, in `init` or in the request; the body is its own.
    Reported(Bytes),
    /// The process ended.
    Exited(Option<ExitStatus>),
    /// The request outlived the function's time-out.
    TimedOut(Duration),
}

impl Failure {
    /// The description that Lambda would answer with.
    pub(super) fn payload(&self, request_id: &str) -> Bytes {
        let (kind, message) = match self {
            Self::Reported(body) => return body.clone(),
            Self::Start(error) => ("Runtime.InvalidEntrypoint", error.to_string()),
            Self::Exited(status) => (EXITED, exit_text(*status)),
            Self::TimedOut(limit) => {
                (TIMED_OUT, format!("Task timed out after {:.2} seconds", limit.as_secs_f64()))
            }
        };
        let message = format!("RequestId: {request_id} Error: {message}");
        Bytes::from(json!({"errorType": kind, "errorMessage": message}).to_string())
    }
}

fn exit_text(status: Option<ExitStatus>) -> String {
    status.map_or_else(
        || "Runtime exited".to_owned(),
        |status| format!("Runtime exited with error: {status}"),
    )
}
