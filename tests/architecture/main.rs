//! The rules of the house, read from `cargo metadata` and from the template.

#![recursion_limit = "512"]

mod dependencies;
mod samples;
mod template;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
