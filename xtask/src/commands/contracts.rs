//! `cargo xtask contracts`: writes the contracts that machines read, and the lists of routes that
//! are made from the template.

use std::process::ExitCode;

use clap::Args;
use harness::checkout;
use specifications::released::{NOT_COMPARED, last_released};

use crate::released;

/// Writes docs/openapi.yaml, docs/asyncapi.yaml and the JSON Schemas of the events from the code,
/// and from template.yaml the routes in CargoLambda.toml and functions/health/src/routes.rs.
#[derive(Args)]
pub(crate) struct Options {
    /// Writes nothing, and fails if a file is not up to date.
    #[arg(long, conflicts_with = "release")]
    check: bool,
    /// Also keeps the contracts as those of the version in Cargo.toml, with which later ones are
    /// compared. Fails if that version is tagged.
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let root = checkout::root()?;
    if options.release {
        released::must_be_untagged(&root, env!("CARGO_PKG_VERSION"))?;
    }
    if last_released(&root)?.is_none() {
        eprintln!("{NOT_COMPARED}");
    }
    if !options.check {
        specifications::write(&root, specifications::files(&root)?)?;
        if options.release {
            specifications::write(&root, specifications::released_files()?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let different = specifications::differences(&root)?;
    if different.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let files = different.join(", ");
    anyhow::bail!("{files} are not up to date: run `{}`", specifications::COMMAND)
}
