//! The template's functions with their routes and schedules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::load::TemplateError;
use super::permission::Permission;
use super::schedule::{Schedule, parse_rate};

/// For requests that match no other route.
pub const DEFAULT_ROUTE: &str = "$default";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// In the template, such as `ThumbnailFunction`.
    pub logical_id: String,
    /// The short name, which is also its binary's name, such as `thumbnail`.
    pub name: String,
    /// The time after which Lambda ends a request together with its process.
    pub timeout: Duration,
    /// The function gets it as a variable; it is not enforced.
    pub memory_mib: u32,
    /// The resolved variables of `Globals` and of the function. Empty ones are left out, so that an
    /// optional setting is absent and not an empty string.
    pub environment: BTreeMap<String, String>,
    /// The `HttpApi` routes that lead to it.
    pub routes: Vec<Route>,
    /// The `ScheduleV2` events that invoke it.
    pub schedules: Vec<Schedule>,
    /// What its role permits on tables. `None` if the template does not have its role.
    pub permissions: Option<BTreeSet<Permission>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method in capitals, or `ANY`. The default route has `ANY`.
    pub method: String,
    /// The path with its parameters in braces, such as `/thumbnails/{name}`, or `$default`.
    pub path: String,
}

/// The part of `Globals.Function` and of a function's `Properties` that matters locally.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Properties {
    timeout: Option<u64>,
    memory_size: Option<u32>,
    environment: Environment,
    events: BTreeMap<String, Event>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Environment {
    variables: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    r#type: String,
    #[serde(default)]
    properties: EventProperties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventProperties {
    path: Option<String>,
    method: Option<String>,
    schedule_expression: Option<String>,
    input: Option<String>,
    state: Option<String>,
}

/// Lambda's defaults for a function that sets neither.
const DEFAULT_TIMEOUT_S: u64 = 3;
const DEFAULT_MEMORY_MIB: u32 = 128;

impl FunctionSpec {
    pub(super) fn read(
        logical_id: &str,
        name: String,
        properties: Properties,
        globals: &Properties,
    ) -> Result<Self, TemplateError> {
        let mut environment = globals.environment.variables.clone();
        environment.extend(properties.environment.variables);
        let mut function = Self {
            logical_id: logical_id.to_owned(),
            name,
            timeout: Duration::from_secs(
                properties.timeout.or(globals.timeout).unwrap_or(DEFAULT_TIMEOUT_S),
            ),
            memory_mib: properties
                .memory_size
                .or(globals.memory_size)
                .unwrap_or(DEFAULT_MEMORY_MIB),
            environment: environment
                .into_iter()
                .map(|(key, value)| (key, super::resolve::scalar_text(&value)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            routes: Vec::new(),
            schedules: Vec::new(),
            permissions: None,
        };
        for (event_name, event) in properties.events {
            function.add_event(event_name, event)?;
        }
        Ok(function)
    }

    fn add_event(&mut self, event_name: String, event: Event) -> Result<(), TemplateError> {
        let properties = event.properties;
        match event.r#type.as_str() {
            "HttpApi" => {
                let method = properties.method.unwrap_or_else(|| "ANY".to_owned());
                self.routes.push(Route {
                    method: match method.as_str() {
                        "*" => "ANY".to_owned(),
                        other => other.to_ascii_uppercase(),
                    },
                    // For SAM, an HttpApi event without a path is the default route.
                    path: properties.path.unwrap_or_else(|| DEFAULT_ROUTE.to_owned()),
                });
            }
            "ScheduleV2" => {
                if properties.state.as_deref() == Some("DISABLED") {
                    return Ok(());
                }
                let expression = properties.schedule_expression.unwrap_or_default();
                self.schedules.push(Schedule {
                    name: event_name,
                    rate: parse_rate(&expression)?,
                    input: properties.input.unwrap_or_else(|| "{}".to_owned()),
                });
            }
            other => {
                return Err(TemplateError::Unsupported(format!(
                    "event type {other} of {}",
                    self.logical_id
                )));
            }
        }
        Ok(())
    }
}
