//! `cargo xtask test`: every check that CI runs.

use std::process::ExitCode;

use clap::Args;

use crate::checks;

/// Stops at the first check that fails.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs only the checks with names that contain this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    checks::run(checks::for_ci(&harness::checkout::root()?).await?, options.only.as_deref()).await
}
