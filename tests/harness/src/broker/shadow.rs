//! The shadow of a broker's store: a copy with only the data that was flushed.
//!
//! A killed process loses nothing that it has written, because the operating system keeps it. A
//! power cut loses the data that is not flushed yet. So a library that is loaded before the
//! broker's own copies all data that is flushed, and a simulated cut replaces the store by that
//! copy.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Disk, RocketmqOptions, settings};
use crate::preload;

const SOURCE: &str = include_str!("../preload/shadow.c");

/// Small files that the broker writes as a whole and never flushes, such as its topics. A
/// journaling file system writes them to disk soon after, and the tests are not about them. Files
/// that the broker flushes, such as the timer's checkpoint, are as they were flushed.
const KEPT: &str = "config";

/// The timer's state, which an operator has to delete after a power cut:
/// `TimerMessageStore.dequeue` (5.4.0) may follow the records of a slot for ever, until the memory
/// is full. The wheel is flushed after the log, so it may refer to positions in the log that were
/// lost; most likely a record that is written there later refers to itself as the one before it.
/// Without these files the timer starts again with the messages that wait in the commit log.
const TIMER: [&str; 3] = ["timerwheel", "timerlog", "config/timercheck"];

/// Exists if the broker did not stop gracefully.
const ABORT: &str = "abort";

pub(super) async fn environment(
    options: &RocketmqOptions,
) -> anyhow::Result<BTreeMap<String, String>> {
    let library = preload::library(&options.data, "shadow", SOURCE).await?;
    let store = settings::store(options);
    tokio::fs::create_dir_all(&store).await?;
    // The name that the kernel gives an open file.
    let store = tokio::fs::canonicalize(&store).await?;
    let variables = [
        ("LD_PRELOAD", library.display()),
        ("SHADOW_FROM", store.display()),
        ("SHADOW_TO", shadow(options).display()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_string()));
    Ok(variables.into())
}

/// Replaces the store by its shadow. The broker must not be running.
pub(super) async fn put_in_place(options: &RocketmqOptions) -> anyhow::Result<()> {
    let (store, shadow) = (settings::store(options), shadow(options));
    anyhow::ensure!(
        options.tuning.disk == Disk::LosesPower && shadow.is_dir(),
        "the data that the broker flushed was not recorded"
    );
    let config = store.join(KEPT);
    if config.is_dir() {
        copy_folder(&config, &shadow.join(KEPT), Existing::Keep).await?;
    }
    tokio::fs::write(shadow.join(ABORT), "").await?;
    tokio::fs::remove_dir_all(&store).await?;
    copy_folder(&shadow, &store, Existing::Replace).await?;
    for name in TIMER {
        let path = store.join(name);
        let removed = if path.is_dir() {
            tokio::fs::remove_dir_all(&path).await
        } else {
            tokio::fs::remove_file(&path).await
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn shadow(options: &RocketmqOptions) -> PathBuf {
    options.data.join("shadow")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Replace,
}

async fn copy_folder(from: &Path, to: &Path, existing: Existing) -> anyhow::Result<()> {
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        tokio::fs::create_dir_all(&to).await?;
        let mut entries = tokio::fs::read_dir(&from).await?;
        while let Some(entry) = entries.next_entry().await? {
            let target = to.join(entry.file_name());
            if entry.file_type().await?.is_dir() {
                folders.push((entry.path(), target));
            } else if existing == Existing::Replace || !target.exists() {
                let copied = tokio::fs::copy(entry.path(), &target).await;
                copied.with_context(|| format!("cannot copy {}", entry.path().display()))?;
            }
        }
    }
    Ok(())
}
