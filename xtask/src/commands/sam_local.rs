//! `cargo xtask sam-local`: the template under AWS's own emulator of Lambda, in containers.
//!
//! The containers use the same broker and embedded table that `up` starts, through proxies on the
//! address at which containers reach this machine.

mod api;
mod engine;
mod sam;
mod sample;
mod samples;
mod stage;
mod surroundings;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use self::engine::Engine;
use self::sam::Sam;
use self::stage::Stage;
use self::surroundings::Surroundings;
use crate::checks::{self, sam as tools};
use crate::{build, workspace};

/// Creates an order through the emulated API, and invokes each function with its files in events/.
/// Needs a container engine; without one the exit status is 3.
#[derive(Args)]
pub(crate) struct Options {
    /// Installs Debian's docker.io if no container engine is installed. Needs root.
    #[arg(long)]
    install: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let folder = workspace::target()?.join("sam-local");
    std::fs::create_dir_all(&folder)?;
    let engine = match engine::find(options.install, &folder.join("dockerd.log")).await? {
        Ok(engine) => engine,
        Err(reason) => {
            eprintln!("no container engine is running: {reason}");
            return Ok(ExitCode::from(checks::NOT_RUN));
        }
    };
    let outcome = prove(&engine, folder).await;
    engine.stop().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn prove(engine: &Engine, folder: PathBuf) -> anyhow::Result<()> {
    let root = harness::checkout::root()?;
    if let Some(installation) = tools::installation()? {
        let installed = checks::run(vec![installation], None).await?;
        anyhow::ensure!(installed == ExitCode::SUCCESS, "cannot install the SAM CLI");
    }
    engine.base_image(&root).await?;
    eprintln!("── building the functions");
    build::functions(&root, &workspace::function_names(&root)?).await?;
    eprintln!("── starting a broker and a table");
    let surroundings = Surroundings::start(engine.gateway().await?).await?;
    let outcome = async {
        let stage = Stage::build(&folder, &root, &surroundings)?;
        let sam = Sam::new(&stage)?;
        // Before the samples, which change the demo user's password.
        api::order(&sam).await.context("sam local start-api")?;
        samples::invoke_all(&sam, &root).await
    }
    .await;
    surroundings.stop().await;
    outcome
}
