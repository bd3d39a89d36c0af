//! The contracts that machines read are valid, true to the code, and compatible with those before.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

mod asyncapi;
mod events;
mod openapi;

/// The checkout. A test runs in the folder of its package.
fn root() -> PathBuf {
    Path::new("../..").canonicalize().unwrap()
}
