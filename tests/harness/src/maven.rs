//! Jars that Maven downloads into a cache below Cargo's target folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::Command;

use crate::broker::check_maven;

/// The runtime dependencies of a POM.
pub(crate) struct Artifacts {
    /// Their name in messages.
    pub(crate) what: &'static str,
    pub(crate) version: &'static str,
    /// The name of the cache's folder, without the version.
    pub(crate) folder: &'static str,
    pub(crate) pom: &'static str,
}

impl Artifacts {
    /// Whether they are already in the cache below `target`.
    pub(crate) fn are_fetched(&self, target: &Path) -> bool {
        self.folder(target).join("jars").is_dir()
    }

    /// The folder with the jars below `target`, downloaded if it is missing. It appears complete or
    /// not at all. If several processes need it at once, one downloads it and the others wait.
    ///
    /// # Errors
    /// When Maven is missing, or fails (the error quotes its output).
    pub(crate) async fn ensure(&self, target: &Path) -> anyhow::Result<PathBuf> {
        let folder = self.folder(target);
        let jars = folder.join("jars");
        if jars.is_dir() {
            return Ok(jars);
        }
        check_maven().await?;
        tokio::fs::create_dir_all(&folder)
            .await
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let lock_path = folder.join("lock");
        let lock = tokio::task::spawn_blocking(move || {
            let file = File::create(&lock_path)?;
            file.lock()?;
            std::io::Result::Ok(file)
        })
        .await?
        .with_context(|| format!("cannot lock the cache of {}", self.what))?;
        if !jars.is_dir() {
            self.fetch(&folder, &jars).await?;
        }
        drop(lock);
        Ok(jars)
    }

    fn folder(&self, target: &Path) -> PathBuf {
        target.join(format!("{}-{}", self.folder, self.version))
    }

    async fn fetch(&self, folder: &Path, jars: &Path) -> anyhow::Result<()> {
        let temporary = tempfile::Builder::new().prefix("fetching-").tempdir_in(folder)?;
        let pom = temporary.path().join("pom.xml");
        tokio::fs::write(&pom, self.pom).await?;
        let fetched = temporary.path().join("jars");
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
        tokio::fs::rename(&fetched, jars).await.context("cannot move the jars into the cache")
    }
}
