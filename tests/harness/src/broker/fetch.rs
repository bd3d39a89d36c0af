//! The jars, through Maven.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::Command;

use super::java;

/// The version of Apache RocketMQ that is fetched; `rocketmq/pom.xml` names it too.
pub const ROCKETMQ_VERSION: &str = "5.4.0";

const POM: &str = include_str!("../../rocketmq/pom.xml");

/// Whether the jars are in the cache below `target` already.
#[must_use]
pub fn is_fetched(target: &Path) -> bool {
    folder(target).join("jars").is_dir()
}

/// The folder with the jars below `target`, fetched when it is not there. It appears whole or not
/// at all, and of several processes that ask at once one fetches and the others wait.
///
/// # Errors
/// When there is no Maven, or Maven fails, quoting what it said.
pub async fn ensure_jars(target: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder(target);
    let jars = folder.join("jars");
    if jars.is_dir() {
        return Ok(jars);
    }
    java::check_maven().await?;
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
    .context("cannot lock the cache of Apache RocketMQ")?;
    if !jars.is_dir() {
        fetch(&folder, &jars).await?;
    }
    drop(lock);
    Ok(jars)
}

fn folder(target: &Path) -> PathBuf {
    target.join(format!("rocketmq-{ROCKETMQ_VERSION}"))
}

async fn fetch(folder: &Path, jars: &Path) -> anyhow::Result<()> {
    let temporary = tempfile::Builder::new().prefix("fetching-").tempdir_in(folder)?;
    let pom = temporary.path().join("pom.xml");
    tokio::fs::write(&pom, POM).await?;
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
        "Maven could not fetch Apache RocketMQ {ROCKETMQ_VERSION}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    tokio::fs::rename(&fetched, jars).await.context("cannot move the jars into the cache")
}
