use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::observer::ProcessObserver;
use super::sink::{LogSink, WriterSink};

/// Start from [`HostOptions::new`] and change what differs.
#[derive(Clone)]
pub struct HostOptions {
    /// The folder with the functions' binaries, such as `target/debug`.
    pub binaries: PathBuf,
    /// Run in place of functions' binaries, by the functions' names.
    pub stand_ins: BTreeMap<String, PathBuf>,
    /// Whether an instance without a request is frozen, as on Lambda.
    pub freeze: bool,
    /// For each function. Further requests wait.
    pub instances_max: usize,
    /// For all functions, such as `AWS_ENDPOINT_URL_DYNAMODB`. They override the template's
    /// variables.
    pub environment: BTreeMap<String, String>,
    /// By the function's name. They override all other variables.
    pub function_environment: BTreeMap<String, BTreeMap<String, String>>,
    /// How far the wall clock of a function is ahead, by the function's name. The host does not
    /// change a clock; it gives the function its deadlines by that clock.
    pub clock_offsets_ms: BTreeMap<String, i64>,
    pub sink: Arc<dyn LogSink>,
    pub observer: Option<Arc<dyn ProcessObserver>>,
}

impl HostOptions {
    /// Runs the binaries of a folder as Lambda does: frozen between requests, with only the
    /// template's and Lambda's variables. A function has at most 16 instances, and its output goes
    /// to standard error.
    #[must_use]
    pub fn new(binaries: impl Into<PathBuf>) -> Self {
        Self {
            binaries: binaries.into(),
            stand_ins: BTreeMap::new(),
            freeze: true,
            instances_max: 16,
            environment: BTreeMap::new(),
            function_environment: BTreeMap::new(),
            clock_offsets_ms: BTreeMap::new(),
            sink: Arc::new(WriterSink::new(std::io::stderr())),
            observer: None,
        }
    }
}
