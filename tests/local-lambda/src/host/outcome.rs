//! The outcomes of an invocation.

use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

/// Lambda's error type of a request that exceeds its function's timeout.
const TIMED_OUT: &str = "Sandbox.Timedout";

/// Lambda's error type of a process that ends.
const EXITED: &str = "Runtime.ExitError";

#[derive(Debug, Clone)]
pub struct InvokeResult {
    pub request_id: String,
    /// The function's answer, or Lambda's description of the error.
    pub payload: Bytes,
    /// `Unhandled` if the function failed, ended or was too slow; the payload then has `errorType`
    /// and `errorMessage`.
    pub function_error: Option<String>,
    /// From the start of the process until it asked for its first event. `None` if this request did
    /// not start the process.
    pub init: Option<Duration>,
    /// From sending the event to the answer.
    pub duration: Duration,
}

impl InvokeResult {
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.error("errorType").is_some_and(|kind| kind == TIMED_OUT)
    }

    /// Whether the process ended by itself, for example by a panic, and not by a signal.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        self.error("errorType").is_some_and(|kind| kind == EXITED)
            && self.error("errorMessage").is_some_and(|message| message.contains("exit status"))
    }

    fn error(&self, member: &str) -> Option<String> {
        let description = self.function_error.as_ref().and(self.json().ok())?;
        Some(description.get(member)?.as_str()?.to_owned())
    }

    /// # Errors
    /// When the payload is not JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.payload)
    }
}

/// Why an invocation did not reach a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The template has no function of this name.
    #[error("the template has no function {0}")]
    UnknownFunction(String),
    /// The host has stopped, or stopped during the request.
    #[error("the Lambda host has stopped")]
    Stopped,
}

/// Why the function gave no answer to a request.
#[derive(Debug)]
pub(super) enum Failure {
    Start(std::io::Error),
    /// The function reported an error, in its initialisation or in the request; the body is the
    /// function's.
    Reported(Bytes),
    Exited(Option<ExitStatus>),
    TimedOut(Duration),
}

impl Failure {
    /// In words.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Reported(body) => String::from_utf8_lossy(body).into_owned(),
            Self::Start(error) => error.to_string(),
            Self::Exited(status) => exit_text(*status),
            Self::TimedOut(limit) => {
                format!("Task timed out after {:.2} seconds", limit.as_secs_f64())
            }
        }
    }

    /// The description of the error in Lambda's form.
    pub(super) fn payload(&self, request_id: &str) -> Bytes {
        let kind = match self {
            Self::Reported(body) => return body.clone(),
            Self::Start(_) => "Runtime.InvalidEntrypoint",
            Self::Exited(_) => EXITED,
            Self::TimedOut(_) => TIMED_OUT,
        };
        let message = format!("RequestId: {request_id} Error: {}", self.reason());
        Bytes::from(json!({"errorType": kind, "errorMessage": message}).to_string())
    }
}

fn exit_text(status: Option<ExitStatus>) -> String {
    status.map_or_else(
        || "Runtime exited".to_owned(),
        |status| format!("Runtime exited with error: {status}"),
    )
}
