//! The rules of this repository, checked against `cargo metadata`, from the template and from the
//! workflows.

#![recursion_limit = "512"]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod adapters;
mod binaries;
mod dependencies;
mod deployment;
mod documents;
mod metrics;
mod operations;
mod permissions;
mod readme;
mod references;
mod samples;
mod template;
mod workflows;

use std::path::PathBuf;

use serde_json::Value;

fn root() -> PathBuf {
    harness::checkout::root().unwrap()
}

/// Below a folder, without comments.
fn code(folder: &str) -> String {
    let mut code = String::new();
    dependencies::read_code(&root().join(folder), &mut code);
    code
}

/// With its references unresolved.
fn document() -> Value {
    local_lambda::yaml_document(&root().join("template.yaml")).unwrap()
}

/// The resources of a type, with their logical ids.
fn resources<'a>(document: &'a Value, r#type: &str) -> Vec<(&'a str, &'a Value)> {
    let resources = document["Resources"].as_object().unwrap();
    let of_type = resources.iter().filter(|(_, resource)| resource["Type"] == r#type);
    of_type.map(|(logical_id, resource)| (logical_id.as_str(), resource)).collect()
}
