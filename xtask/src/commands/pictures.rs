//! `cargo xtask pictures`: takes the documents' pictures of the pages.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use harness::checkout;
use harness::progress::Progress;
use harness::system::SystemOptions;
use local_lambda::WriterSink;

use super::up::STACK_NAME;
use crate::{build, workspace};

/// Starts a system on free ports, uses it, and takes pictures of its pages with headless Chromium,
/// light and dark. Needs Debian's chromium and chromium-driver.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder for the pictures, by default docs/pictures.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let root = checkout::root()?;
    let progress = Progress::new();
    progress.first("building the functions");
    build::functions(&root, &workspace::function_names(&root)?).await?;
    let mut system = SystemOptions::isolated(&root)?;
    STACK_NAME.clone_into(&mut system.stack_name);
    // The pictures show their names.
    system.use_topics_of_template();
    system.sink = Some(Arc::new(WriterSink::new(std::io::sink())));
    let steps = progress.clone();
    system.progress = Arc::new(move |step| steps.step(step));
    let folder = options.folder.unwrap_or_else(|| root.join("docs/pictures"));
    let taken = pages::pictures::take(system, &folder).await;
    progress.finish();
    for file in taken? {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
