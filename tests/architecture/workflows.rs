//! The workflows' actions are pinned, a job that can get a token compiles nothing, and a release
//! keeps its contracts.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::root;

fn workflows() -> Vec<(String, Value)> {
    let mut workflows = Vec::new();
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        workflows.push((name, local_lambda::yaml_document(&path).unwrap()));
    }
    workflows
}

/// With the names of the jobs and their files.
fn jobs() -> Vec<(String, Value)> {
    let mut jobs = Vec::new();
    for (file, workflow) in workflows() {
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            jobs.push((format!("{name} of {file}"), job.clone()));
        }
    }
    jobs
}

/// The values of a key, such as `run`.
fn steps<'a>(job: &'a Value, key: &'a str) -> impl Iterator<Item = &'a str> {
    job["steps"].as_array().into_iter().flatten().filter_map(move |step| step[key].as_str())
}

#[test]
fn every_action_is_pinned_by_its_commit() {
    let mut pinned = 0;
    for (name, job) in jobs() {
        for action in steps(&job, "uses") {
            let (_, commit) = action.split_once('@').unwrap();
            let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            assert!(is_commit, "{name}: {action}");
            pinned += 1;
        }
    }
    assert!(pinned > 0);
}

/// Each of them runs code of crates, which could then ask for a token.
const COMPILERS: [&str; 4] = ["cargo", "rustup", "rustc", "sam build"];

#[test]
fn a_job_that_may_ask_for_a_token_compiles_nothing() {
    for (name, workflow) in workflows() {
        assert_ne!(workflow["permissions"]["id-token"], "write", "{name} permits it to all jobs");
    }
    let mut with_token = 0;
    for (name, job) in jobs() {
        if job["permissions"]["id-token"] != "write" {
            continue;
        }
        with_token += 1;
        assert!(job["uses"].is_null(), "{name} calls another workflow");
        for command in steps(&job, "run") {
            let compiler = COMPILERS.iter().find(|compiler| command.contains(**compiler));
            assert_eq!(compiler, None, "{name}");
            // A source distribution runs a build script.
            let wheels_only = command.contains("--only-binary ':all:'");
            assert!(!command.contains("pip install") || wheels_only, "{name}: {command}");
        }
    }
    assert!(with_token > 0);
}

#[test]
fn every_stage_is_deployed_from_the_main_branch_only() {
    let workflows = workflows();
    let (_, deploy) = workflows.iter().find(|(name, _)| name == "deploy.yml").unwrap();
    for job in ["build", "deploy"] {
        let condition = deploy["jobs"][job]["if"].as_str().unwrap();
        let mut all = condition.split(" && ");
        let is_from_main = all.any(|one| one == "github.ref == 'refs/heads/main'");
        assert!(is_from_main && !condition.contains("||"), "{job}: {condition}");
    }
}

/// A step of the job that looks at a release before anything is compiled, run in a folder of a
/// test.
struct ReleaseStep<'a> {
    script: String,
    folder: &'a Path,
}

impl<'a> ReleaseStep<'a> {
    fn new(name: &str, folder: &'a Path) -> Self {
        let (_, release) = workflows().into_iter().find(|(name, _)| name == "release.yml").unwrap();
        let steps = release["jobs"]["notes"]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        Self { script: step["run"].as_str().unwrap().to_owned(), folder }
    }

    fn result(&self) -> (bool, String) {
        let output = run_in(self.folder, "bash", &["-eo", "pipefail", "-c", &self.script]);
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    fn fails(&self, error: &str) {
        let (succeeds, printed) = self.result();
        assert!(!succeeds && printed.contains(error), "{printed}");
    }

    fn succeeds(&self) {
        let (succeeds, printed) = self.result();
        assert!(succeeds, "{printed}");
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A program in a folder, with git's settings for a commit, and those of a release's step.
fn run_in(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.env("TAG", "v1.1.0").env("GITHUB_OUTPUT", folder.join(OUTPUTS));
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "a test");
        command.env(format!("GIT_{role}_EMAIL"), "test@example.com");
    }
    command.output().unwrap()
}

/// The file to which a step writes its outputs.
const OUTPUTS: &str = "outputs";

fn git(folder: &Path, arguments: &[&str]) {
    let output = run_in(folder, "git", arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[test]
fn the_tests_of_a_pull_request_have_the_tags() {
    let (_, test) = workflows().into_iter().find(|(name, _)| name == "test.yml").unwrap();
    let steps = test["jobs"]["test"]["steps"].as_array().unwrap();
    let uses = |step: &&Value| {
        step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@"))
    };
    // The contracts of tagged versions are compared with their tags, which a shallow clone lacks.
    assert_eq!(steps.iter().find(uses).unwrap()["with"]["fetch-depth"], 0);
}

#[test]
fn a_release_whose_contracts_are_not_kept_fails() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let step = ReleaseStep::new("contracts", folder);
    let released = "tests/specifications/released";
    git(folder, &["init", "--quiet"]);
    write(folder, &format!("{released}/1.0.0/openapi.yaml"), "one");
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "one"]);
    git(folder, &["tag", "v1.0.0"]);
    for path in ["docs".to_owned(), format!("{released}/1.1.0")] {
        write(folder, &format!("{path}/openapi.yaml"), "two");
        write(folder, &format!("{path}/events/OrderCreated.schema.json"), "{}");
    }
    step.succeeds();
    for file in ["openapi.yaml", "events/OrderCreated.schema.json"] {
        let kept = format!("{released}/1.1.0/{file}");
        let text = std::fs::read_to_string(folder.join(&kept)).unwrap();
        write(folder, &kept, "other");
        step.fails(&format!("differs from docs/{file}"));
        std::fs::remove_file(folder.join(&kept)).unwrap();
        step.fails(&format!("differs from docs/{file}"));
        write(folder, &kept, &text);
        step.succeeds();
    }
    write(folder, &format!("{released}/1.0.0/openapi.yaml"), "another one");
    step.fails("1.0.0 is not as it is in v1.0.0");
}

#[test]
fn a_version_is_released_once_and_with_its_notes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let step = ReleaseStep::new("version and notes", folder);
    git(folder, &["init", "--quiet"]);
    let sections = [
        "## [1.2.0] - not released yet\n\n- Another change.\n",
        "## [1.1.0] - 2026-02-01\n\n- A change.\n",
        "## [1.0.0] - 2026-01-01\n",
    ];
    write(folder, "CHANGELOG.md", &sections.join("\n"));
    write(folder, "Cargo.toml", "[workspace]\nmembers = []\n");
    step.fails("Cargo.toml has no version");
    let with_version = |version: &str| {
        let manifest = format!("[workspace.package]\nversion = \"{version}\"\n\n[profile.dev]\n");
        write(folder, "Cargo.toml", &manifest);
    };
    for version in ["1.2.0", "1.3.0"] {
        with_version(version);
        step.fails(&format!("CHANGELOG.md has no section [{version}] with a date"));
    }
    with_version("1.0.0");
    step.fails("The section [1.0.0] of CHANGELOG.md is empty");
    with_version("1.1.0");
    std::fs::remove_file(folder.join(OUTPUTS)).unwrap();
    step.succeeds();
    assert_eq!(std::fs::read_to_string(folder.join(OUTPUTS)).unwrap(), "tag=v1.1.0\n");
    let notes = std::fs::read_to_string(folder.join("notes.md")).unwrap();
    assert_eq!(notes.trim(), "- A change.");
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "one"]);
    git(folder, &["tag", "v1.1.0"]);
    step.fails("Version 1.1.0 is released already");
}

#[test]
fn only_what_is_on_the_main_branch_is_released() {
    let (_, release) = workflows().into_iter().find(|(name, _)| name == "release.yml").unwrap();
    let jobs = release["jobs"].as_object().unwrap();
    let folder = tempfile::tempdir().unwrap();
    ReleaseStep::new("branch", folder.path()).fails("Only what is on main is released");
    assert!(jobs["notes"]["if"].is_null(), "a release that was not begun must not look like one");
    for (name, job) in jobs.iter().filter(|(name, _)| *name != "notes") {
        assert!(!job["needs"].is_null(), "{name} would run without the job that looks at it");
        assert!(job["if"].is_null(), "{name} would run when a job that it needs does not");
    }
}
