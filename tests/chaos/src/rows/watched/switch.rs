//! A function that hangs when a row switches it off, although it is invoked as before.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use harness::checkout;
use harness::system::SystemOptions;
use tempfile::TempDir;

/// A program in a function's place. Each of its processes becomes the function, or does nothing
/// if the function is switched off at its start.
pub(super) struct Switch {
    pub(super) function: &'static str,
    folder: TempDir,
}

impl Switch {
    /// # Errors
    /// When the program cannot be written.
    pub(super) fn of(function: &'static str) -> anyhow::Result<Self> {
        let binary = SystemOptions::isolated(&checkout::root()?)?.binaries.join(function);
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let switch = Self { function, folder };
        let program = format!(
            "#!/bin/sh\nif [ -e '{}' ]; then exec sleep 3600; fi\nexec '{}'\n",
            switch.off().display(),
            binary.display()
        );
        fs::write(switch.program(), program)?;
        fs::set_permissions(switch.program(), Permissions::from_mode(0o755))?;
        Ok(switch)
    }

    pub(super) fn stand_in(&self, options: &mut SystemOptions) {
        options.stand_ins.insert(self.function.to_owned(), self.program());
    }

    /// Processes that start from now on hang.
    ///
    /// # Errors
    /// When the program's folder cannot be written.
    pub(super) fn turn_off(&self) -> anyhow::Result<()> {
        Ok(fs::write(self.off(), "")?)
    }

    /// Processes that start from now on are the function.
    ///
    /// # Errors
    /// When it is not switched off.
    pub(super) fn turn_on(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.off())?)
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join(self.function)
    }

    /// The file that exists while the function is switched off.
    fn off(&self) -> PathBuf {
        self.folder.path().join("off")
    }
}
