use std::path::PathBuf;

use local_lambda::FunctionSpec;

/// A file in events/, its function, and the expected answer.
pub(super) struct Sample {
    pub(super) function: FunctionSpec,
    pub(super) file: PathBuf,
    /// The HTTP status of the answer; `None` for a function on a schedule.
    pub(super) status: Option<u64>,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} --event {}", self.function.logical_id, self.file.display())
    }
}
