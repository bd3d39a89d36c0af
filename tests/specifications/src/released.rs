//! Which versions were released, and so which one the contracts of the code are compared with.
//!
//! Where git has tags, a version was released if it has one. Where it has none, as in an archive of
//! the sources or in a copy with a history of its own, every version with a folder here counts as
//! released, except that of Cargo.toml: its folder may have been written a moment ago, from the same
//! code.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the contracts of released versions are, below the root of the repository.
pub const RELEASED: &str = "tests/specifications/released";

/// What a check says that has nothing to compare with.
pub const NOT_COMPARED: &str =
    "contracts NOT COMPARED: there is no released version whose contracts are kept";

/// The kept contracts of a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    numbers: Vec<u64>,
    /// Such as `1.10.0`.
    pub version: String,
    /// Their folder.
    pub folder: PathBuf,
}

impl Kept {
    /// The contracts in a folder whose name is a version.
    fn of(folder: PathBuf) -> Option<Self> {
        let version = folder.file_name()?.to_str()?.to_owned();
        let numbers = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        Some(Self { numbers, version, folder })
    }
}

/// git in this folder, also when a hook of another repository runs this. In a container the
/// checkout may belong to another user, whose repositories git would not read.
pub fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("--no-pager").arg("-c").arg(format!("safe.directory={}", root.display()));
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command.current_dir(root).stdin(Stdio::null());
    command
}

/// The versions that are tagged; none where there is no repository or no git.
///
/// # Errors
///
/// If git is there and cannot be started, or a tag's name is not UTF-8.
pub fn tagged(root: &Path) -> io::Result<Vec<String>> {
    let output = match git(root).args(["tag", "--list", "v*"]).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        output => output?,
    };
    if !output.status.success() {
        return Ok(Vec::new());
    }
    let tags = String::from_utf8(output.stdout).map_err(io::Error::other)?;
    let versions = tags.lines().filter_map(|tag| tag.strip_prefix('v'));
    Ok(versions.map(ToOwned::to_owned).collect())
}

/// The contracts of every version that has a folder, whether or not it was released; the oldest
/// come first.
///
/// # Errors
///
/// If the folders cannot be listed.
pub fn kept(root: &Path) -> io::Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(root.join(RELEASED))? {
        kept.extend(Kept::of(entry?.path()));
    }
    kept.sort();
    Ok(kept)
}

/// The contracts of the released versions, the oldest first.
///
/// # Errors
///
/// As [`tagged`] and [`kept`].
pub fn released(root: &Path) -> io::Result<Vec<Kept>> {
    released_beside(root, env!("CARGO_PKG_VERSION"))
}

/// The contracts of the version that was released last, if any was.
///
/// # Errors
///
/// As [`released`].
pub fn last_released(root: &Path) -> io::Result<Option<Kept>> {
    Ok(released(root)?.pop())
}

/// The released versions, where Cargo.toml has this one.
fn released_beside(root: &Path, current: &str) -> io::Result<Vec<Kept>> {
    let tagged = tagged(root)?;
    let mut released = kept(root)?;
    released.retain(|kept| {
        if tagged.is_empty() { kept.version != current } else { tagged.contains(&kept.version) }
    });
    Ok(released)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git_in(root: &Path, arguments: &[&str]) {
        let author = ["-c", "user.name=a test", "-c", "user.email=test@example.com"];
        let output = git(root).args(author).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// A folder with the contracts of these versions.
    fn folder_of(versions: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for version in versions {
            let kept = folder.path().join(RELEASED).join(version);
            std::fs::create_dir_all(&kept).unwrap();
            std::fs::write(kept.join("openapi.yaml"), *version).unwrap();
        }
        std::fs::write(folder.path().join(RELEASED).join("README.md"), "").unwrap();
        folder
    }

    fn versions(kept: Vec<Kept>) -> Vec<String> {
        kept.into_iter().map(|kept| kept.version).collect()
    }

    #[test]
    fn of_two_folders_the_tagged_one_was_released() {
        let folder = folder_of(&["1.0.0", "1.1.0"]);
        let root = folder.path();
        let released = |current: &str| versions(released_beside(root, current).unwrap());
        git_in(root, &["init", "--quiet"]);
        git_in(root, &["add", "--all"]);
        git_in(root, &["commit", "--quiet", "--message", "one"]);
        git_in(root, &["tag", "v1.0.0"]);
        // The contracts of 1.1.0 are compared with 1.0.0 as long as they may be written anew.
        assert_eq!(released("1.1.0"), ["1.0.0"]);
        // It never became a release.
        assert_eq!(released("1.2.0"), ["1.0.0"]);
        // Nothing is compared with a tag from before contracts were kept.
        git_in(root, &["tag", "v2.0.0"]);
        assert_eq!(released("2.0.0"), ["1.0.0"]);

        git_in(root, &["tag", "v1.1.0"]);
        assert_eq!(released("1.1.0"), ["1.0.0", "1.1.0"]);
        let last = released_beside(root, "1.1.0").unwrap().pop().unwrap();
        let text = std::fs::read_to_string(last.folder.join("openapi.yaml")).unwrap();
        assert_eq!(text, "1.1.0");
    }

    #[test]
    fn without_tags_all_but_the_version_of_the_code_were_released() {
        let folder = folder_of(&["1.9.0", "1.10.0", "1.11.0"]);
        let root = folder.path();
        let released = |current: &str| versions(released_beside(root, current).unwrap());
        assert_eq!(released("1.11.0"), ["1.9.0", "1.10.0"], "there is no repository");
        git_in(root, &["init", "--quiet"]);
        assert_eq!(released("1.11.0"), ["1.9.0", "1.10.0"], "there is no tag");
        assert_eq!(released("1.12.0"), ["1.9.0", "1.10.0", "1.11.0"]);
        assert_eq!(versions(kept(root).unwrap()), ["1.9.0", "1.10.0", "1.11.0"]);
    }

    #[test]
    fn the_only_version_is_not_compared_with_itself() {
        let folder = folder_of(&["1.0.0"]);
        assert_eq!(released_beside(folder.path(), "1.0.0").unwrap(), []);
        git_in(folder.path(), &["init", "--quiet"]);
        git_in(folder.path(), &["commit", "--quiet", "--allow-empty", "--message", "one"]);
        // Nor with anything else, where git knows what was released.
        git_in(folder.path(), &["tag", "v0.9.0"]);
        assert_eq!(released_beside(folder.path(), "1.0.0").unwrap(), []);
    }
}
