//! The host's settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::sink::LogSink;
use crate::observer::Observer;

/// The host's settings. They have no default: a caller decides each one.
#[derive(Clone)]
pub struct HostOptions {
    /// The folder with the functions' binaries, such as `target/debug`.
    pub binaries: PathBuf,
    /// Programs to run instead of functions' binaries, by the functions' names.
    pub stand_ins: BTreeMap<String, PathBuf>,
    /// Whether an instance without a request is frozen, as on Lambda.
    pub freeze: bool,
    /// The most instances that one function may have at a time. Further requests wait.
    pub instances_max: usize,
    /// Variables for all functions, such as `AWS_ENDPOINT_URL_DYNAMODB`; they override the
    /// template's.
    pub environment: BTreeMap<String, String>,
    /// Variables for single functions by name; they override all others.
    pub function_environment: BTreeMap<String, BTreeMap<String, String>>,
    /// The destination of the functions' output.
    pub sink: Arc<dyn LogSink>,
    /// Sees the changes of processes.
    pub observer: Option<Arc<dyn Observer>>,
}
