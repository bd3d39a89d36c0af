//! CloudFormation's intrinsic functions, those that `Scope::apply` lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::load::TemplateError;

pub(super) const PSEUDO: [(&str, &str); 4] = [
    ("AWS::Region", crate::host::REGION),
    ("AWS::AccountId", crate::host::ACCOUNT_ID),
    ("AWS::Partition", "aws"),
    ("AWS::URLSuffix", "amazonaws.com"),
];

/// Resolves the names in a template.
pub(super) struct Scope<'a> {
    /// Parameters and pseudo parameters.
    pub(super) values: BTreeMap<String, String>,
    /// The template's `Conditions`, unresolved.
    pub(super) conditions: Map<String, Value>,
    /// The template's `Resources`, unresolved.
    pub(super) resources: &'a Map<String, Value>,
}

/// Deeper than any template's nesting. It stops conditions that refer to themselves.
const DEPTH_MAX: usize = 32;

impl Scope<'_> {
    /// `value` with every intrinsic function resolved; `None` stands for `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value) -> Result<Option<Value>, TemplateError> {
        self.resolve_at(value, 0)
    }

    /// [`Scope::resolve`] for a result that must be a string.
    pub(super) fn resolve_text(&self, value: &Value) -> Result<Option<String>, TemplateError> {
        Ok(self.resolve(value)?.map(|value| scalar_text(&value)))
    }

    fn resolve_at(&self, value: &Value, depth: usize) -> Result<Option<Value>, TemplateError> {
        if depth > DEPTH_MAX {
            return Err(TemplateError::Invalid("values are nested too deeply".to_owned()));
        }
        match value {
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.extend(self.resolve_at(item, depth + 1)?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(map) => match intrinsic(map) {
                Some((name, argument)) => self.apply(name, argument, depth + 1),
                None => {
                    let mut resolved = Map::new();
                    for (key, item) in map {
                        if let Some(item) = self.resolve_at(item, depth + 1)? {
                            resolved.insert(key.clone(), item);
                        }
                    }
                    Ok(Some(Value::Object(resolved)))
                }
            },
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn apply(
        &self,
        name: &str,
        argument: &Value,
        depth: usize,
    ) -> Result<Option<Value>, TemplateError> {
        let list = argument.as_array().map_or(&[] as &[Value], Vec::as_slice);
        match (name, list) {
            ("Ref", _) if argument == "AWS::NoValue" => Ok(None),
            ("Ref", _) => self.reference(&scalar_text(argument)).map(|text| Some(text.into())),
            ("Fn::GetAtt", _) => Ok(Some(self.attribute(argument)?.into())),
            ("Fn::Sub", [text, variables]) => {
                Ok(Some(self.substitute(&scalar_text(text), variables, depth)?.into()))
            }
            ("Fn::Sub", _) => {
                Ok(Some(self.substitute(&scalar_text(argument), &Value::Null, depth)?.into()))
            }
            ("Fn::Join", [separator, parts]) => {
                Ok(Some(self.join(&scalar_text(separator), parts, depth)?.into()))
            }
            ("Fn::If", [condition, yes, no]) => {
                let chosen = if self.condition(&scalar_text(condition), depth)? { yes } else { no };
                self.resolve_at(chosen, depth)
            }
            ("Condition", _) => Ok(Some(self.condition(&scalar_text(argument), depth)?.into())),
            ("Fn::Equals", [left, right]) => {
                let equal = self.resolve_at(left, depth)? == self.resolve_at(right, depth)?;
                Ok(Some(equal.into()))
            }
            ("Fn::Not", [inner]) => Ok(Some((!self.truth(inner, depth)?).into())),
            ("Fn::And", items) => self.fold(items, depth, true),
            ("Fn::Or", items) => self.fold(items, depth, false),
            _ => Err(TemplateError::Unsupported(name.to_owned())),
        }
    }

    /// `Fn::And` when `neutral` is true, `Fn::Or` when it is false.
    fn fold(
        &self,
        items: &[Value],
        depth: usize,
        neutral: bool,
    ) -> Result<Option<Value>, TemplateError> {
        for item in items {
            if self.truth(item, depth)? != neutral {
                return Ok(Some((!neutral).into()));
            }
        }
        Ok(Some(neutral.into()))
    }

    fn truth(&self, value: &Value, depth: usize) -> Result<bool, TemplateError> {
        match self.resolve_at(value, depth)? {
            Some(Value::Bool(truth)) => Ok(truth),
            _ => Err(TemplateError::Invalid(format!("{value} is not a condition"))),
        }
    }

    fn condition(&self, name: &str, depth: usize) -> Result<bool, TemplateError> {
        let definition = self
            .conditions
            .get(name)
            .ok_or_else(|| TemplateError::Unresolved(format!("condition {name}")))?;
        self.truth(definition, depth + 1)
    }

    fn join(&self, by: &str, parts: &Value, depth: usize) -> Result<String, TemplateError> {
        let parts = match self.resolve_at(parts, depth)? {
            Some(Value::Array(parts)) => parts.iter().map(scalar_text).collect(),
            // The value of a list parameter is a comma-separated text here.
            Some(text) => scalar_text(&text).split(',').map(str::to_owned).collect::<Vec<_>>(),
            None => Vec::new(),
        };
        Ok(parts.join(by))
    }

    /// The value of `Ref`: a parameter's value or a resource's physical name.
    fn reference(&self, name: &str) -> Result<String, TemplateError> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let resource = self
            .resources
            .get(name)
            .ok_or_else(|| TemplateError::Unresolved(format!("!Ref {name}")))?;
        self.physical_name(name, resource)
    }

    /// The name of a resource: the template's, or `<stack>-<logical id>`, which is CloudFormation's
    /// generated name without its random end.
    pub(super) fn physical_name(
        &self,
        logical_id: &str,
        resource: &Value,
    ) -> Result<String, TemplateError> {
        for property in ["FunctionName", "TableName"] {
            if let Some(name) = resource.pointer(&format!("/Properties/{property}"))
                && let Some(name) = self.resolve_text(name)?
            {
                return Ok(name);
            }
        }
        let stack = self.values.get("AWS::StackName").map_or("stack", String::as_str);
        Ok(format!("{stack}-{logical_id}"))
    }

    /// The value of `Fn::GetAtt`. A local stack has only `Arn`.
    fn attribute(&self, argument: &Value) -> Result<String, TemplateError> {
        let path = attribute_path(argument);
        let unresolved = || TemplateError::Unresolved(format!("!GetAtt {path}"));
        let (logical_id, attribute) = path.split_once('.').ok_or_else(unresolved)?;
        let resource = self.resources.get(logical_id).ok_or_else(unresolved)?;
        if attribute != "Arn" {
            return Err(unresolved());
        }
        let name = self.physical_name(logical_id, resource)?;
        let (service, kind) = match resource.get("Type").and_then(Value::as_str) {
            Some("AWS::Serverless::Function") => ("lambda", "function:"),
            Some("AWS::DynamoDB::Table") => ("dynamodb", "table/"),
            _ => return Err(unresolved()),
        };
        let (region, account) = (crate::host::REGION, crate::host::ACCOUNT_ID);
        Ok(format!("arn:aws:{service}:{region}:{account}:{kind}{name}"))
    }

    fn substitute(
        &self,
        text: &str,
        variables: &Value,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let mut output = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').ok_or_else(|| {
                TemplateError::Invalid(format!("'{text}' has a '${{' without its '}}'"))
            })?;
            output.push_str(before);
            rest = tail;
            if let Some(literal) = name.strip_prefix('!') {
                output.push_str(&format!("${{{literal}}}"));
            } else if let Some(value) = variables.get(name) {
                output.extend(self.resolve_at(value, depth)?.as_ref().map(scalar_text));
            } else if name.contains('.') {
                output.push_str(&self.attribute(&Value::from(name))?);
            } else {
                output.push_str(&self.reference(name)?);
            }
        }
        output.push_str(rest);
        Ok(output)
    }
}

/// The argument of `Fn::GetAtt`, of which there are two forms, as `LogicalId.Attribute`.
pub(super) fn attribute_path(argument: &Value) -> String {
    match argument {
        Value::Array(parts) => parts.iter().map(scalar_text).collect::<Vec<_>>().join("."),
        other => scalar_text(other),
    }
}

/// The only entry of `map`, if it is an intrinsic function in its long form.
fn intrinsic(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
    let known =
        key == "Ref" || key.starts_with("Fn::") || (key == "Condition" && value.is_string());
    known.then_some((key.as_str(), value))
}

/// A scalar as CloudFormation writes it into a string.
pub(super) fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
