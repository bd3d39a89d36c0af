//! `cargo xtask verify`: all checks.

use std::process::ExitCode;

use clap::Args;

use crate::checks;

/// Runs the checks of CI and, with --full, those that take too long for CI: release builds,
/// the tests of a copy under another name, `sam build`, the models with three attempts and three
/// consumers, statistics, the examples, a long run of Schemathesis, 100,000 seeds of the simulator,
/// chaos on the embedded table and on DynamoDB Local, the coverage of the tests, fuzz targets,
/// mutants of the code, and sam local. That takes a night.
/// Stops at the first check that fails. The exit status is 3 if sam local found no container
/// engine and all other checks succeeded.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs the long checks too.
    #[arg(long)]
    full: bool,

    /// Installs Debian's docker.io for sam local if no container engine is installed.
    #[arg(long, requires = "full")]
    install: bool,

    /// Runs only the checks with names that contain this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = harness::checkout::root()?;
    let mut all = checks::for_ci(&root).await?;
    if options.full {
        all.extend(checks::long(&root, options.install).await?);
    }
    checks::run(all, options.only.as_deref()).await
}
