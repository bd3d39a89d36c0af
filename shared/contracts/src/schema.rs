//! JSON Schemas of what crosses the wire, for generators of documents.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::event::{
    Envelope, EventType, OrderChanged, OrderCreated, SCHEMA_VERSION, SOURCE, SPEC_VERSION,
    UserChanged,
};

/// The largest integer on the wire: the largest one that every reader's numbers hold exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Settings for the schemas of bodies that clients send, in draft 2020-12, which `OpenAPI` 3.1
/// uses.
pub fn of_requests() -> SchemaSettings {
    plain(SchemaSettings::draft2020_12())
}

/// Settings for the schemas of bodies that clients receive, in draft 2020-12, which `OpenAPI` 3.1
/// uses.
pub fn of_responses() -> SchemaSettings {
    written(SchemaSettings::draft2020_12())
}

fn plain(settings: SchemaSettings) -> SchemaSettings {
    settings.with_transform(Integers).with_transform(OneLine)
}

fn written(settings: SchemaSettings) -> SchemaSettings {
    plain(settings).for_serialize().with_transform(NeverNull)
}

/// The schema of an event's body, with everything that it refers to, in the draft 7 that every
/// reader of `AsyncAPI` 3.0 knows.
///
/// It allows members that it does not name, as every reader has to.
pub fn of_event(event_type: EventType) -> Value {
    let mut schema = self_contained::<Envelope>();
    let mut data = match event_type {
        EventType::OrderCreated => self_contained::<OrderCreated>(),
        EventType::OrderConfirmed | EventType::OrderRejected | EventType::OrderCancelled => {
            self_contained::<OrderChanged>()
        }
        EventType::UserRegistered
        | EventType::UserLoggedIn
        | EventType::UserDeleted
        | EventType::EmailConfirmationRequested
        | EventType::EmailChangeRequested
        | EventType::PasswordResetRequested => self_contained::<UserChanged>(),
    };
    // The root says which draft it is.
    if let Some(members) = data.as_object_mut() {
        members.remove("$schema");
    }
    let (description, status) = meaning(event_type);
    if let Some(status) = status {
        fix(&mut data, "status", json!(status));
    }
    fix(&mut schema, "type", json!(event_type.as_str()));
    fix(&mut schema, "specversion", json!(SPEC_VERSION));
    fix(&mut schema, "source", json!(SOURCE));
    fix(&mut schema, "schemaversion", json!(SCHEMA_VERSION));
    fix(&mut schema, "datacontenttype", json!("application/json"));
    if let Some(place) = schema.pointer_mut("/properties/data") {
        *place = data;
    }
    if let Some(members) = schema.as_object_mut() {
        let id = format!("urn:order-service:event:{}:{SCHEMA_VERSION}", event_type.as_str());
        members.insert("$id".to_owned(), json!(id));
        members.insert("title".to_owned(), json!(event_type.as_str()));
        members.insert("description".to_owned(), json!(description));
    }
    schema
}

/// What an event says, and the status that its order reached with it.
const fn meaning(event_type: EventType) -> (&'static str, Option<&'static str>) {
    match event_type {
        EventType::OrderCreated => ("An order was created.", Some("CREATED")),
        EventType::OrderConfirmed => ("An order's stock is reserved.", Some("CONFIRMED")),
        EventType::OrderRejected => (
            "There was not enough stock for an order, or its account would have held too many open \
             units.",
            Some("REJECTED"),
        ),
        EventType::OrderCancelled => ("An order was cancelled by its user.", Some("CANCELLED")),
        EventType::UserRegistered => ("A user registered an account.", None),
        EventType::UserLoggedIn => ("A user logged in with the password.", None),
        EventType::UserDeleted => ("A user deleted the account.", None),
        EventType::EmailConfirmationRequested => {
            ("A mail to confirm an account's address was requested.", None)
        }
        EventType::EmailChangeRequested => (
            "A user requested another address, which replaces the old one once it is confirmed.",
            None,
        ),
        EventType::PasswordResetRequested => {
            ("A mail to reset an account's password was requested.", None)
        }
    }
}

fn self_contained<Body: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let settings = written(settings);
    settings.into_generator().into_root_schema_for::<Body>().to_value()
}

/// Gives a member of an object's schema its only value.
fn fix(schema: &mut Value, member: &str, value: Value) {
    let place = schema.pointer_mut("/properties").and_then(|members| members.get_mut(member));
    if let Some(members) = place.and_then(Value::as_object_mut) {
        members.remove("enum");
        members.insert("const".to_owned(), value);
    }
}

/// Gives integers their bounds instead of the names of Rust's types, which only Rust knows.
#[derive(Debug, Clone)]
struct Integers;

impl Transform for Integers {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(format) = schema.get("format").and_then(Value::as_str) else { return };
        let largest = match format {
            "uint16" => u64::from(u16::MAX),
            "uint32" => u64::from(u32::MAX),
            "uint64" => INTEGER_MAX,
            _ => return,
        };
        schema.remove("format");
        if schema.get("maximum").is_none() {
            schema.insert("maximum".to_owned(), json!(largest));
        }
    }
}

/// Joins the lines of a doc comment, which end where Rust's lines do.
#[derive(Debug, Clone)]
struct OneLine;

impl Transform for OneLine {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(Value::String(text)) = schema.get_mut("description") else { return };
        let paragraphs: Vec<_> = text.split("\n\n").map(|text| text.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
}

/// What is not there is left out of responses and messages, so nothing in them is null.
#[derive(Debug, Clone)]
struct NeverNull;

impl Transform for NeverNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(Value::Array(types)) = schema.get_mut("type") else { return };
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
}
