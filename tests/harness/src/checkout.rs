//! The checkout that the running program belongs to.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The checkout's folder, looked for at run time.
///
/// A path that was compiled in may belong to another checkout: Cargo considers a program up to date
/// that was compiled before its checkout was moved or copied. `cargo run` and `cargo test` name the
/// folder of the program's package; a program that is started without Cargo uses the current
/// folder.
///
/// # Errors
/// When neither folder is in a checkout of this project.
pub fn root() -> anyhow::Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a variable of Cargo, not a setting")]
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let current = std::env::current_dir().context("the current folder is unknown")?;
    let root = package.as_deref().and_then(above).or_else(|| above(&current));
    let from = package.as_deref().unwrap_or(&current).display();
    root.map(Path::to_owned)
        .with_context(|| format!("{from} is in no checkout of this project: change to one"))
}

fn above(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| {
        folder.join("template.yaml").is_file() && folder.join("Cargo.lock").is_file()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_below_the_checkout_is_in_it_and_one_above_is_not() {
        let root = root().unwrap();
        assert_eq!(above(&root.join("tests/harness")), Some(root.as_path()));
        assert_eq!(above(&root), Some(root.as_path()));
        assert_eq!(above(root.parent().unwrap()), None);
    }
}
