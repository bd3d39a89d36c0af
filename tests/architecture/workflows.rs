//! The workflows' actions are pinned, and a job that can get a token compiles nothing.

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
fn production_is_deployed_from_the_main_branch_only() {
    let workflows = workflows();
    let (_, deploy) = workflows.iter().find(|(name, _)| name == "deploy.yml").unwrap();
    let from_main = "inputs.stage != 'prod' || github.ref == 'refs/heads/main'";
    for job in ["build", "deploy"] {
        let condition = deploy["jobs"][job]["if"].as_str().unwrap();
        assert!(condition.contains(from_main), "{job}: {condition}");
    }
}
