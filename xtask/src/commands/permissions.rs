//! `cargo xtask permissions`: compares what the functions' roles permit on tables with what they
//! used in a run of the tests.
//!
//! What a role does not permit is refused wherever proxies are before the functions: in
//! `cargo xtask up`, in `tests/api` and in `tests/chaos`. Here it is the other way round.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use harness::{checkout, roles};

use crate::workspace;

/// The name of the stack by which the template is read; what was used has none.
const STACK: &str = "stack";

/// The file to which tests write what they use.
pub(crate) fn used_file() -> anyhow::Result<PathBuf> {
    Ok(workspace::target()?.join("permissions-used"))
}

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let file = used_file()?;
    let used = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}: run `cargo xtask test`", file.display()))?;
    let used: BTreeSet<&str> = used.lines().collect();
    let template = workspace::template(&checkout::root()?, STACK)?;
    let permitted = template.functions.iter().flat_map(|function| {
        let permissions = function.permissions.iter().flatten();
        permissions.map(|permission| roles::line(&function.name, permission, STACK))
    });
    let (needed, idle): (Vec<String>, Vec<String>) =
        permitted.partition(|line| used.contains(line.trim_end()));
    if idle.is_empty() {
        println!("each of {} permissions on tables is used", needed.len());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "no test uses these permissions; take them out of template.yaml, or test what needs them:"
    );
    eprint!("{}", idle.concat());
    Ok(ExitCode::FAILURE)
}
