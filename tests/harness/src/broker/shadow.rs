//! What a broker has on its disk: a copy of its store with what was flushed, and nothing else.
//!
//! A process that is killed loses nothing that it has written, because the system keeps it. What a power
//! cut takes is what nobody had flushed yet. So a library before the broker's own follows what is
//! flushed, and a cut puts that in the store's place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{RocketmqOptions, settings};
use crate::preload;

const SOURCE: &str = include_str!("../preload/shadow.c");

/// Small files that the broker writes as a whole and never flushes, such as its topics. A journaling file
/// system keeps them soon after, and they are not what is asked here. Those that it flushes, such as the
/// timer's checkpoint, are as they were flushed.
const KEPT: &str = "config";

/// The timer's state, which an operator has to delete after a power cut: `TimerMessageStore.dequeue` (5.4.0)
/// may follow the records of a slot for ever, until the memory is full. The wheel is flushed after the log, so
/// it may name places in the log that were lost; most likely a record that is written there later names
/// itself as the one before it. Without these files the timer begins anew with the messages that wait in the
/// commit log.
const TIMER: [&str; 3] = ["timerwheel", "timerlog", "config/timercheck"];

/// The file that says that the broker did not end in order.
const ABORT: &str = "abort";

/// The variables that have a broker's store followed.
pub(super) async fn environment(
    options: &RocketmqOptions,
) -> anyhow::Result<BTreeMap<String, String>> {
    let library = preload::library(&options.data, "shadow", SOURCE).await?;
    let store = settings::store(options);
    tokio::fs::create_dir_all(&store).await?;
    // As the kernel names an open file.
    let store = tokio::fs::canonicalize(&store).await?;
    let variables = [
        ("LD_PRELOAD", library.display()),
        ("SHADOW_FROM", store.display()),
        ("SHADOW_TO", shadow(options).display()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_string()));
    Ok(variables.into())
}

/// Puts what was flushed in the store's place. The broker is not running.
pub(super) async fn put_in_place(options: &RocketmqOptions) -> anyhow::Result<()> {
    let (store, shadow) = (settings::store(options), shadow(options));
    anyhow::ensure!(
        options.tuning.power_can_fail && shadow.is_dir(),
        "nobody has followed what the broker flushed"
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

/// What becomes of a file that is there already.
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
