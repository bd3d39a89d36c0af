//! From the file to a [`Template`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::resolve::{PSEUDO, Scope, scalar_text};
use super::{FunctionSpec, TableSpec, Template, function, permission, yaml};

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file does not exist or is not readable.
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The text is not YAML.
    #[error("the template is not valid YAML")]
    Yaml(#[source] Box<serde_saphyr::Error>),
    /// A reference to something that the template does not define, or that has no local meaning.
    #[error("the template refers to something unknown: {0}")]
    Unresolved(String),
    /// A part of CloudFormation that the local host does not know.
    #[error("the local host does not support {0}")]
    Unsupported(String),
    /// A parameter that has no default, and no value from the caller.
    #[error("parameter {0} has no default and no value was given for it")]
    ParameterMissing(String),
    /// A value for a parameter that the template does not have.
    #[error("the template has no parameter {0}")]
    ParameterUnknown(String),
    /// The properties of a resource have an unexpected form.
    #[error("resource {name} has properties of an unexpected form")]
    Resource { name: String, source: serde_json::Error },
    /// Any other error, in words.
    #[error("{0}")]
    Invalid(String),
}

/// The YAML document at `path`, such as a template. Intrinsic functions are in their long form
/// (`{"Ref": "X"}`, `{"Fn::Sub": "…"}`) and unresolved.
///
/// # Errors
/// When the file cannot be read or is not YAML.
pub fn yaml_document(path: &Path) -> Result<Value, TemplateError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TemplateError::Read { path: path.to_owned(), source })?;
    parsed(&text)
}

fn parsed(text: &str) -> Result<Value, TemplateError> {
    yaml::parse(text).map_err(|source| TemplateError::Yaml(Box::new(source)))
}

impl Template {
    /// Reads the template at `path` for a stack called `stack_name`. `overrides` replaces the
    /// defaults of parameters.
    ///
    /// # Errors
    /// When the file cannot be read or the template cannot be resolved completely.
    pub fn load(
        path: &Path,
        stack_name: &str,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        Self::resolved(&yaml_document(path)?, stack_name, overrides)
    }

    /// [`Template::load`] from the template's text.
    ///
    /// # Errors
    /// When the template cannot be resolved completely.
    pub fn parse(
        text: &str,
        stack_name: &str,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        Self::resolved(&parsed(text)?, stack_name, overrides)
    }

    fn resolved(
        document: &Value,
        stack_name: &str,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let parameters = parameters(&section(document, "/Parameters"), overrides)?;
        let resources = section(document, "/Resources");
        let mut values = parameters.clone();
        values.extend(PSEUDO.map(|(name, value)| (name.to_owned(), value.to_owned())));
        values.insert("AWS::StackName".to_owned(), stack_name.to_owned());
        let scope =
            Scope { values, conditions: section(document, "/Conditions"), resources: &resources };

        let globals = document.pointer("/Globals/Function").cloned().unwrap_or_default();
        let globals: function::Properties = properties("Globals", &globals, &scope)?;
        let mut template = Self {
            functions: Vec::new(),
            tables: Vec::new(),
            parameters,
            stack_name: stack_name.to_owned(),
        };
        for (logical_id, resource) in &resources {
            template.add(logical_id, resource, &globals, &scope)?;
        }
        Ok(template)
    }

    fn add(
        &mut self,
        logical_id: &str,
        resource: &Value,
        globals: &function::Properties,
        scope: &Scope<'_>,
    ) -> Result<(), TemplateError> {
        let unresolved = resource.get("Properties").cloned().unwrap_or_default();
        match resource.get("Type").and_then(Value::as_str) {
            Some("AWS::Serverless::Function") => {
                let properties = properties(logical_id, &unresolved, scope)?;
                let name = binary_name(logical_id, resource)?;
                let mut function = FunctionSpec::read(logical_id, name, properties, globals)?;
                function.permissions = permission::of_function(&unresolved, scope)?;
                self.functions.push(function);
            }
            Some("AWS::DynamoDB::Table") => {
                let name = scope.physical_name(logical_id, resource)?;
                let properties = scope.resolve(&unresolved)?.unwrap_or_default();
                self.tables.push(TableSpec::read(logical_id, name, properties)?);
            }
            // Other resources, such as alarms, do not exist locally.
            _ => {}
        }
        Ok(())
    }
}

/// The properties of a function that the local host reads. Others, such as policies, are not
/// resolved, because they may use parts of CloudFormation that are not supported here.
const READ_PROPERTIES: [&str; 4] = ["Timeout", "MemorySize", "Environment", "Events"];

fn properties(
    name: &str,
    unresolved: &Value,
    scope: &Scope<'_>,
) -> Result<function::Properties, TemplateError> {
    let mut read = Map::new();
    for key in READ_PROPERTIES {
        if let Some(value) = unresolved.get(key)
            && let Some(value) = scope.resolve(value)?
        {
            read.insert(key.to_owned(), value);
        }
    }
    serde_json::from_value(Value::Object(read))
        .map_err(|source| TemplateError::Resource { name: name.to_owned(), source })
}

/// The binary that `sam build` takes for the function with `BuildMethod: rust-cargolambda`.
fn binary_name(logical_id: &str, resource: &Value) -> Result<String, TemplateError> {
    resource
        .pointer("/Metadata/BuildProperties/Binary")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| {
            TemplateError::Invalid(format!(
                "{logical_id} has no Metadata.BuildProperties.Binary: write down its binary's name"
            ))
        })
}

fn section(document: &Value, pointer: &str) -> Map<String, Value> {
    document.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn parameters(
    definitions: &Map<String, Value>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, TemplateError> {
    if let Some(unknown) = overrides.keys().find(|name| !definitions.contains_key(*name)) {
        return Err(TemplateError::ParameterUnknown(unknown.clone()));
    }
    definitions
        .iter()
        .map(|(name, definition)| {
            let value = overrides
                .get(name)
                .cloned()
                .or_else(|| definition.get("Default").map(scalar_text))
                .ok_or_else(|| TemplateError::ParameterMissing(name.clone()))?;
            Ok((name.clone(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests;
