//! Libraries that are loaded before a program's own (`LD_PRELOAD`), compiled when they are needed:
//! a machine that links Rust has a C compiler.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::process::Command;

/// Compiles `source` into a library `name` below the target folder, and returns its file.
///
/// # Errors
/// When the C compiler is missing or fails.
pub(crate) async fn library(target: &Path, name: &str, source: &str) -> anyhow::Result<PathBuf> {
    let folder = target.join("preload");
    tokio::fs::create_dir_all(&folder).await?;
    // Several tests may compile it at once: each writes its own copy and moves it into place.
    let build = tempfile::Builder::new().prefix("build-").tempdir_in(&folder)?;
    let (from, built) = (build.path().join("source.c"), build.path().join("library.so"));
    tokio::fs::write(&from, source).await?;
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-o"])
        .arg(&built)
        .arg(&from)
        .arg("-lpthread");
    let output = compiler.output().await.context("cannot run `cc`, which Rust links with")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "`cc` fails: {errors}");
    let library = folder.join(format!("{name}.so"));
    tokio::fs::rename(&built, &library).await?;
    Ok(library)
}
