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
    /// Where each process gets a folder of its own for temporary files.
    pub temporary: PathBuf,
    /// Programs to run in place of functions' binaries, by the functions' names.
    pub stand_ins: BTreeMap<String, PathBuf>,
    /// Whether an instance without a request is frozen, as on Lambda.
    pub freeze: bool,
    /// The most instances that one function may have at a time. Further requests wait.
    pub instances_max: usize,
    /// Variables for all functions, such as `AWS_ENDPOINT_URL_DYNAMODB`. They override the
    /// template's.
    pub environment: BTreeMap<String, String>,
    /// Variables for single functions, by the function's name. They override all others.
    pub function_environment: BTreeMap<String, BTreeMap<String, String>>,
    /// How far the wall clock of a function is ahead, in milliseconds, by the function's name. The
    /// host does not change a clock; it gives the function its deadlines by that clock.
    pub clock_offsets_ms: BTreeMap<String, i64>,
    /// Where the functions' output goes.
    pub sink: Arc<dyn LogSink>,
    /// Sees each change of a process.
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
            temporary: std::env::temp_dir(),
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
