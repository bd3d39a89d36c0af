//! How the host runs functions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::sink::LogSink;

/// How the host runs functions. There is no default: a caller decides each.
#[derive(Clone)]
pub struct HostOptions {
    /// The folder with the functions' binaries, such as `target/debug`.
    pub binaries: PathBuf,
    /// Programs to run in place of functions' own binaries, by the functions' names.
    pub stand_ins: BTreeMap<String, PathBuf>,
    /// Whether an instance without a request is frozen, as on Lambda.
    pub freeze: bool,
    /// The most instances one function may have at a time. Further requests wait for one.
    pub instances_max: usize,
    /// Variables for all functions, such as `AWS_ENDPOINT_URL_DYNAMODB`; they win over the
    /// template's.
    pub environment: BTreeMap<String, String>,
    /// Variables for single functions by name; they win over everything else.
    pub function_environment: BTreeMap<String, BTreeMap<String, String>>,
    /// Where the functions' output goes.
    pub sink: Arc<dyn LogSink>,
}
