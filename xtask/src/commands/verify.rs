//! `cargo xtask verify`: every check there is.

use std::process::ExitCode;

use clap::Args;

use crate::{checks, workspace};

/// Runs what CI runs and, with --full, what takes too long for CI: release builds, `sam build`, the
/// model with three attempts, statistics, 100,000 seeds of the simulator, chaos on the embedded
/// table and on DynamoDB Local, sam local. That takes three to four hours. Stops at the first check
/// that fails, and ends with 3 if all others succeeded and sam local found no container engine.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs the long checks too.
    #[arg(long)]
    full: bool,

    /// Installs Debian's docker.io for sam local, where there is no container engine.
    #[arg(long, requires = "full")]
    install: bool,

    /// Runs only the checks whose names contain this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = workspace::root()?;
    let mut all = checks::for_ci(&root).await?;
    if options.full {
        all.extend(checks::long(&root, options.install)?);
    }
    checks::run(all, options.only.as_deref()).await
}
