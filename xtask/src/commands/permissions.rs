//! `cargo xtask permissions`: compares the permissions of the functions' roles on tables with those
//! that a run of the tests used.
//!
//! A call that a role does not permit is refused wherever proxies stand before the functions: in
//! `cargo xtask up`, in `tests/api` and in `tests/chaos`. This command finds the opposite: a
//! permission that nothing uses.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use harness::{checkout, roles};

use crate::workspace;

/// The name of the stack for reading the template; used permissions have no stack.
const STACK: &str = "stack";

/// Tests write the permissions that they use to this file.
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
