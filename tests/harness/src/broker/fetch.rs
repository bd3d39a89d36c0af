//! The jars of Apache RocketMQ, in a cache.

use std::path::{Path, PathBuf};

use crate::maven::Artifacts;

/// `rocketmq/pom.xml` names it too.
pub const ROCKETMQ_VERSION: &str = "5.4.0";

const ROCKETMQ: Artifacts = Artifacts {
    what: "Apache RocketMQ",
    version: ROCKETMQ_VERSION,
    folder: "rocketmq",
    pom: include_str!("../../rocketmq/pom.xml"),
};

#[must_use]
pub fn is_fetched(target: &Path) -> bool {
    ROCKETMQ.are_fetched(target)
}

/// The folder with the jars below `target`, downloaded if it is missing. It appears complete or not
/// at all. If several processes need it at once, one downloads it and the others wait.
///
/// # Errors
/// When Maven is missing, or fails (the error quotes its output).
pub async fn ensure_jars(target: &Path) -> anyhow::Result<PathBuf> {
    ROCKETMQ.ensure(target).await
}
