//! The schemas of bodies, from the types of `contracts`.

use contracts::schema::{of_requests, of_responses};
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value};

/// The schemas of a document, each under the name of its type.
pub(crate) struct Schemas {
    requests: SchemaGenerator,
    responses: SchemaGenerator,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let generator = |settings: SchemaSettings| {
            let settings = settings.with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            });
            settings.into_generator()
        };
        Self { requests: generator(of_requests()), responses: generator(of_responses()) }
    }

    /// A reference to the schema of a body that clients send.
    pub(crate) fn request<Body: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<Body>().to_value()
    }

    /// A reference to the schema of a body that clients receive.
    pub(crate) fn response<Body: JsonSchema>(&mut self) -> Value {
        self.responses.subschema_for::<Body>().to_value()
    }

    /// Every schema that was referred to, by its name.
    pub(crate) fn into_definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.responses.take_definitions(true);
        definitions.extend(self.requests.take_definitions(true));
        definitions
    }
}
