//! Jars that Maven downloads into a cache below Cargo's target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::Command;

use crate::broker::check_maven;
use crate::cache;

pub(crate) struct Artifacts {
    /// Used in messages.
    pub(crate) what: &'static str,
    pub(crate) version: &'static str,
    /// Without the version.
    pub(crate) folder: &'static str,
    pub(crate) pom: &'static str,
}

impl Artifacts {
    pub(crate) fn are_fetched(&self, target: &Path) -> bool {
        self.folder(target).join("jars").is_dir()
    }

    /// The folder with the jars below `target`, downloaded if it is missing. It appears complete or
    /// not at all. If several processes need it at once, one downloads it and the others wait.
    ///
    /// # Errors
    /// When Maven is missing, or fails (the error quotes its output).
    pub(crate) async fn ensure(&self, target: &Path) -> anyhow::Result<PathBuf> {
        let fetch = async |temporary: &Path| {
            check_maven().await?;
            self.fetch(temporary).await
        };
        cache::fetched(&self.folder(target), "jars", self.what, fetch).await
    }

    fn folder(&self, target: &Path) -> PathBuf {
        target.join(format!("{}-{}", self.folder, self.version))
    }

    async fn fetch(&self, temporary: &Path) -> anyhow::Result<PathBuf> {
        let pom = temporary.join("pom.xml");
        tokio::fs::write(&pom, self.pom).await?;
        let fetched = temporary.join("jars");
        let output = Command::new("mvn")
            .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", fetched.display()))
            .arg("-f")
            .arg(&pom)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("Maven cannot be started")?;
        anyhow::ensure!(
            output.status.success(),
            "Maven could not fetch {} {}:\n{}{}",
            self.what,
            self.version,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(fetched)
    }
}
