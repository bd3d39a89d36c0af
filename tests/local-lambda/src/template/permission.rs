//! What the roles of functions permit on tables.

use std::collections::BTreeSet;

use serde_json::Value;

use super::load::TemplateError;
use super::resolve::{Scope, attribute_path, scalar_text};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Such as `dynamodb:GetItem`.
    pub action: String,
    /// The ARN of the table or of its index.
    pub resource: String,
}

/// The only service whose statements are read. Other services' statements may name resources that
/// do not exist locally.
const SERVICE: &str = "dynamodb:";

/// By the role's own policies: each `Allow` statement, whatever its conditions. `None` if the role
/// is not a resource of the template, as with SAM's policy templates.
pub(super) fn of_function(
    function: &Value,
    scope: &Scope<'_>,
) -> Result<Option<BTreeSet<Permission>>, TemplateError> {
    let role = function.pointer("/Role/Fn::GetAtt").map(attribute_path);
    let role = role.as_deref().and_then(|path| path.strip_suffix(".Arn"));
    let Some(role) = role.and_then(|role| scope.resources.get(role)) else { return Ok(None) };
    let policies = role.pointer("/Properties/Policies").and_then(Value::as_array);
    let mut permitted = BTreeSet::new();
    for policy in policies.into_iter().flatten() {
        let statements = policy.pointer("/PolicyDocument/Statement").and_then(Value::as_array);
        for statement in statements.into_iter().flatten() {
            add(&mut permitted, statement, scope)?;
        }
    }
    Ok(Some(permitted))
}

fn add(
    permitted: &mut BTreeSet<Permission>,
    statement: &Value,
    scope: &Scope<'_>,
) -> Result<(), TemplateError> {
    let mut actions = statement.get("Action").map(texts).unwrap_or_default();
    actions.retain(|action| action.starts_with(SERVICE));
    let allows = statement.get("Effect").is_some_and(|effect| effect == "Allow");
    let Some(resources) = statement.get("Resource").filter(|_| allows && !actions.is_empty())
    else {
        return Ok(());
    };
    let resources = scope.resolve(resources)?.as_ref().map(texts).unwrap_or_default();
    for action in actions {
        let on =
            |resource: &String| Permission { action: action.clone(), resource: resource.clone() };
        permitted.extend(resources.iter().map(on));
    }
    Ok(())
}

/// A text, or each text of a list.
fn texts(value: &Value) -> Vec<String> {
    match value.as_array() {
        Some(values) => values.iter().map(scalar_text).collect(),
        None => vec![scalar_text(value)],
    }
}
