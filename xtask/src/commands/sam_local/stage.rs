//! A folder like the output of `sam build`: the template, and a folder with the binary of each
//! function.
//!
//! The template is not changed. A script in place of the binary sets the variables that `sam local`
//! does not provide: DynamoDB's endpoint, and the signing key's file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use local_lambda::FunctionSpec;

use super::surroundings::Surroundings;
use crate::checks::sam::ARCHITECTURE;

/// The folder, and the other arguments of `sam local`.
pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) template: PathBuf,
    /// A file of the variables for which `sam local` would use a table's logical id.
    pub(super) variables: PathBuf,
    pub(super) parameters: Vec<String>,
    pub(super) functions: Vec<FunctionSpec>,
}

impl Stage {
    pub(super) fn build(
        folder: &Path,
        root: &Path,
        surroundings: &Surroundings,
    ) -> anyhow::Result<Self> {
        let system = &surroundings.system;
        let template = folder.join("template.yaml");
        fs::copy(root.join("template.yaml"), &template)?;
        let binaries = harness::system::SystemOptions::isolated(root)?.binaries;
        for function in &system.template.functions {
            let code = folder.join("functions").join(&function.name);
            fs::create_dir_all(&code)?;
            fs::copy(binaries.join(&function.name), code.join("function"))
                .with_context(|| format!("the binary of {}", function.name))?;
            let mut exports =
                format!("export AWS_ENDPOINT_URL_DYNAMODB='{}'\n", surroundings.table.url());
            if let Some(key) = function.environment.get("SIGNING_KEY_FILE") {
                fs::copy(key, code.join("signing-key.json"))?;
                // The container runs as another user.
                readable(&code.join("signing-key.json"), 0o644)?;
                exports.push_str("export SIGNING_KEY_FILE=/var/task/signing-key.json\n");
            }
            let script = format!("#!/bin/sh\n{exports}exec /var/task/function\n");
            fs::write(code.join("bootstrap"), script)?;
            readable(&code.join("bootstrap"), 0o755)?;
        }
        let tables: serde_json::Map<_, _> = system
            .template
            .tables
            .iter()
            .map(|table| {
                let variable = table.logical_id.replace("Table", "_TABLE").to_uppercase();
                (variable, table.name.clone().into())
            })
            .collect();
        let variables = folder.join("variables.json");
        let text = serde_json::json!({ "Parameters": tables }).to_string();
        fs::write(&variables, text)?;
        Ok(Self {
            folder: folder.to_owned(),
            template,
            variables,
            parameters: vec![
                format!("RocketmqNamesrvAddr={}", surroundings.broker.namesrv()),
                format!("Architecture={ARCHITECTURE}"),
            ],
            functions: system.template.functions.clone(),
        })
    }
}

fn readable(path: &Path, mode: u32) -> anyhow::Result<()> {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}
