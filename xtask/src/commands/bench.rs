//! `cargo xtask bench`: the speed and the size of release builds.

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use local_lambda::{Children, shutdown_signal};
use tokio::process::Command;

use crate::{build, workspace};
use harness::progress::Progress;

/// For the benchmark to end its processes after a signal.
const STOP_GRACE: Duration = Duration::from_secs(10);

const BENCH: &str = "bench";

/// Builds everything in the release profile, which takes long the first time, and runs the
/// benchmark.
pub(crate) async fn run(options: bench::Options) -> anyhow::Result<ExitCode> {
    let ended = shutdown_signal()?;
    tokio::pin!(ended);

    let progress = Progress::new();
    let built = tokio::select! {
        built = build_all(&progress) => built,
        code = &mut ended => {
            progress.finish();
            eprintln!("stopped before the build was finished");
            return Ok(ExitCode::from(code));
        }
    };
    progress.finish();
    built?;

    let children = Children::new().context("/bin/sh cannot be started")?;
    let mut command = Command::new(workspace::target()?.join("release").join(BENCH));
    command.args(options.to_arguments()).stdin(Stdio::null());
    let mut benchmark = children.spawn(&mut command).context("cannot start the benchmark")?;
    tokio::select! {
        status = benchmark.wait() => {
            Ok(if status?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        code = &mut ended => {
            benchmark.stop(STOP_GRACE).await;
            Ok(ExitCode::from(code))
        }
    }
}

async fn build_all(progress: &Progress) -> anyhow::Result<()> {
    let root = harness::checkout::root()?;
    progress.first("building the functions in the release profile");
    build::release(&root, &workspace::function_names(&root)?).await?;
    progress.first("building the benchmark in the release profile");
    build::release(&root, &[BENCH.to_owned()]).await
}
