//! A file of events/.

use std::path::PathBuf;

use harness::template::FunctionSpec;

/// A file of events/, the function that it is for, and what the function answers.
pub(super) struct Sample {
    pub(super) function: FunctionSpec,
    pub(super) file: PathBuf,
    /// The status of an answer over HTTP; a function on a schedule has none.
    pub(super) status: Option<u64>,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} --event {}", self.function.logical_id, self.file.display())
    }
}
