//! The functions' output of a run that failed.

use std::path::PathBuf;

use harness::system::System;

/// Keeps the functions' log when it is dropped, unless the run ended well.
pub(super) struct LogKeeper {
    from: PathBuf,
    to: PathBuf,
    ended_well: bool,
}

impl LogKeeper {
    pub(super) fn new(system: &System, target: PathBuf) -> Self {
        let name = format!("{}.log", system.names.stack_name);
        Self {
            from: system.endpoints.data.join("functions.log"),
            to: target.join("chaos").join(name),
            ended_well: false,
        }
    }

    /// The run ended well: nobody needs its log.
    pub(super) fn forget(&mut self) {
        self.ended_well = true;
    }
}

impl Drop for LogKeeper {
    fn drop(&mut self) {
        if self.ended_well {
            return;
        }
        let kept = self.to.parent().map_or(Ok(()), std::fs::create_dir_all);
        match kept.and_then(|()| std::fs::copy(&self.from, &self.to)) {
            Ok(_) => tracing::error!(log = %self.to.display(), "the functions' log is kept"),
            Err(error) => tracing::error!(%error, "the functions' log is lost"),
        }
    }
}
