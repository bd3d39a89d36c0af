//! Downloads that are kept below Cargo's target folder.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The folder `name` in `folder`, fetched if it is missing.
///
/// `fetch` gets a temporary folder and returns the folder in it that is kept. The result appears
/// complete or not at all. If several processes need it at once, one fetches it and the others
/// wait. `what` is its name in messages.
///
/// # Errors
/// Those of `fetch`, and when `folder` cannot be written.
pub async fn fetched(
    folder: &Path,
    name: &str,
    what: &str,
    fetch: impl AsyncFnOnce(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<PathBuf> {
    let kept = folder.join(name);
    if kept.is_dir() {
        return Ok(kept);
    }
    tokio::fs::create_dir_all(folder)
        .await
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let lock_path = folder.join("lock");
    let lock = tokio::task::spawn_blocking(move || {
        let file = File::create(&lock_path)?;
        file.lock()?;
        std::io::Result::Ok(file)
    })
    .await?
    .with_context(|| format!("cannot lock the cache of {what}"))?;
    if !kept.is_dir() {
        let temporary = tempfile::Builder::new().prefix("fetching-").tempdir_in(folder)?;
        let complete = fetch(temporary.path()).await?;
        tokio::fs::rename(complete, &kept)
            .await
            .with_context(|| format!("cannot move {what} into the cache"))?;
    }
    drop(lock);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::fetched;

    #[tokio::test]
    async fn what_is_there_is_not_fetched_again_and_what_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let fails = fetched(folder.path(), "kept", "a test", async |_| anyhow::bail!("away")).await;
        assert_eq!(fails.unwrap_err().to_string(), "away");
        for is_first in [true, false] {
            let kept = fetched(folder.path(), "kept", "a test", async |temporary| {
                assert!(is_first, "it is there");
                let complete = temporary.join("any name");
                std::fs::create_dir(&complete)?;
                std::fs::write(complete.join("file"), "text")?;
                Ok(complete)
            });
            assert_eq!(std::fs::read_to_string(kept.await.unwrap().join("file")).unwrap(), "text");
        }
    }
}
