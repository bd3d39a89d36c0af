//! How full a broker's disk is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::sys::statvfs::statvfs;

use super::RocketmqOptions;
use crate::preload;

const SOURCE: &str = include_str!("../preload/disk.c");

/// In percent. A broker refuses to store messages on a fuller disk, whatever its settings say
/// (`DefaultMessageStore.getDiskSpaceWarningLevelRatio`).
const FULL: u64 = 90;

/// In percent. The broker takes no measure on such a disk.
const HALF: u8 = 50;

/// Checks that a broker can store messages below a folder.
///
/// # Errors
/// When its disk is too full, or cannot be read.
pub(super) fn check(folder: &Path) -> anyhow::Result<()> {
    let disk = statvfs(folder)
        .with_context(|| format!("cannot read how full the disk of {} is", folder.display()))?;
    let used = disk.blocks().saturating_sub(disk.blocks_free());
    let whole = used.saturating_add(disk.blocks_available());
    let is_full = used.saturating_mul(100) > whole.saturating_mul(FULL);
    let to_free = used.saturating_sub(whole / 100 * FULL).saturating_mul(disk.fragment_size());
    anyhow::ensure!(
        !is_full,
        "the disk of {} is more than {FULL} % full, and Apache RocketMQ refuses every message on \
         such a disk; free {} MB of it, or choose a data folder on another one",
        folder.display(),
        to_free / 1_000_000 + 1,
    );
    Ok(())
}

/// The variables that let [`fill`] set how full the disk appears. At first it is half full.
pub(super) async fn environment(
    options: &RocketmqOptions,
) -> anyhow::Result<BTreeMap<String, String>> {
    let library = preload::library(&options.data, "disk", SOURCE).await?;
    if !percentage(options).exists() {
        fill(options, HALF).await?;
    }
    let variables = [("LD_PRELOAD", library), ("DISK_FULL", percentage(options))];
    let text = |path: PathBuf| path.display().to_string();
    Ok(variables.map(|(name, path)| (name.to_owned(), text(path))).into())
}

/// Makes the broker see a disk that is full by a percentage. It looks every 10 s
/// (`MessageStoreConfig.cleanResourceInterval`).
pub(super) async fn fill(options: &RocketmqOptions, percent: u8) -> anyhow::Result<()> {
    let file = percentage(options);
    // In one step: the broker may be reading it.
    let new = file.with_extension("new");
    tokio::fs::write(&new, percent.to_string()).await?;
    Ok(tokio::fs::rename(&new, &file).await?)
}

fn percentage(options: &RocketmqOptions) -> PathBuf {
    options.data.join("disk-full")
}
