//! The contracts of released versions may not change once their version is tagged.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use specifications::released::{RELEASED, git, tagged};

/// Fails if the contracts of this version may not be written any more.
pub(crate) fn must_be_untagged(root: &Path, version: &str) -> anyhow::Result<()> {
    let tagged = tagged(root).context("cannot list the tags")?;
    anyhow::ensure!(
        tagged.iter().all(|tagged| tagged != version),
        "v{version} is tagged, so its contracts in {RELEASED} stay as they are: raise the version \
         in Cargo.toml first"
    );
    Ok(())
}

/// For each tagged version, a command that fails if its contracts are not those of the tag.
pub(crate) fn comparisons(root: &Path) -> anyhow::Result<Vec<Command>> {
    let tagged = tagged(root).context("cannot list the tags")?;
    if tagged.is_empty() {
        eprintln!(
            "git knows no tag, so the contracts of released versions are not compared with it"
        );
    }
    let comparison = |version: String| {
        let mut command = git(root);
        command.args(["diff", "--exit-code", &format!("v{version}"), "--"]);
        command.arg(format!("{RELEASED}/{version}"));
        command
    };
    Ok(tagged.into_iter().map(comparison).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git_in(folder: &Path, arguments: &[&str]) {
        let author = ["-c", "user.name=a test", "-c", "user.email=test@example.com"];
        let output = git(folder).args(author).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn all_are_equal(folder: &Path) -> bool {
        let commands = comparisons(folder).unwrap();
        commands.into_iter().all(|mut command| command.output().unwrap().status.success())
    }

    #[test]
    fn the_contracts_of_a_tagged_version_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let released = root.join(RELEASED);
        let write = |version: &str, text: &str| {
            std::fs::create_dir_all(released.join(version)).unwrap();
            std::fs::write(released.join(version).join("openapi.yaml"), text).unwrap();
        };
        // Where there is no repository, nothing is tagged.
        must_be_untagged(root, "1.0.0").unwrap();
        git_in(root, &["init", "--quiet"]);
        write("1.0.0", "one");
        git_in(root, &["add", "--all"]);
        git_in(root, &["commit", "--quiet", "--message", "one"]);
        must_be_untagged(root, "1.0.0").unwrap();
        assert!(comparisons(root).unwrap().is_empty());

        git_in(root, &["tag", "v1.0.0"]);
        let refused = must_be_untagged(root, "1.0.0").unwrap_err().to_string();
        assert!(refused.contains("v1.0.0 is tagged"), "{refused}");
        must_be_untagged(root, "1.0.1").unwrap();
        write("1.0.1", "two");
        assert!(all_are_equal(root));
        write("1.0.0", "another one");
        assert!(!all_are_equal(root));
        git_in(root, &["commit", "--quiet", "--all", "--message", "two"]);
        assert!(!all_are_equal(root), "a commit changes nothing about that");
        write("1.0.0", "one");
        assert!(all_are_equal(root));
        std::fs::remove_dir_all(released.join("1.0.0")).unwrap();
        assert!(!all_are_equal(root));
    }
}
