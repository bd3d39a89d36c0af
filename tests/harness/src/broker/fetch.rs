//! The jars.

use std::path::{Path, PathBuf};

use crate::maven::Artifacts;

/// The version of Apache RocketMQ that is fetched; `rocketmq/pom.xml` names it too.
pub const ROCKETMQ_VERSION: &str = "5.4.0";

const ROCKETMQ: Artifacts = Artifacts {
    what: "Apache RocketMQ",
    version: ROCKETMQ_VERSION,
    folder: "rocketmq",
    pom: include_str!("../../rocketmq/pom.xml"),
};

/// Whether the jars are in the cache below `target` already.
#[must_use]
pub fn is_fetched(target: &Path) -> bool {
    ROCKETMQ.are_fetched(target)
}

/// The folder with the jars below `target`, fetched when it is not there. It appears whole or not
/// at all, and of several processes that ask at once one fetches and the others wait.
///
/// # Errors
/// When there is no Maven, or Maven fails, quoting what it said.
pub async fn ensure_jars(target: &Path) -> anyhow::Result<PathBuf> {
    ROCKETMQ.ensure(target).await
}
