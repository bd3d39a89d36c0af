//! `docs/asyncapi.yaml` is valid `AsyncAPI`.

use jsonschema::Validator;
use serde_json::{Value, json};
use specifications::asyncapi;

use crate::root;

/// The stored document, as its readers get it.
fn document() -> Value {
    let text = std::fs::read_to_string(root().join("docs/asyncapi.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// `AsyncAPI`'s schema of its documents.
fn validator() -> Validator {
    let text = std::fs::read_to_string("asyncapi/3.0.0.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn the_text_holds_the_document_of_the_code() {
    assert_eq!(document(), asyncapi::document().unwrap());
}

#[test]
fn the_document_is_valid_by_the_schema_of_asyncapi() {
    let document = document();
    let errors: Vec<_> = validator()
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

type Edit = fn(&mut Value);

#[test]
fn the_schema_of_asyncapi_refuses_a_document_that_is_wrong() {
    let validator = validator();
    let edits: [(&str, Edit); 8] = [
        ("another version", |document| document["asyncapi"] = json!("2.6.0")),
        ("no title", |document| drop(object(&mut document["info"]).remove("title"))),
        ("a server without a protocol", |document| {
            object(&mut document["servers"]["local"]).remove("protocol");
        }),
        ("an unknown action", |document| {
            document["operations"]["publishOrderEvents"]["action"] = json!("publish");
        }),
        ("an operation without a channel", |document| {
            object(&mut document["operations"]["consumeUserEvents"]).remove("channel");
        }),
        ("an unknown member", |document| document["channels"]["orderEvents"]["topic"] = json!("")),
        // So it has to be an extension.
        ("a binding of RocketMQ", |document| {
            document["channels"]["orderEvents"]["bindings"]["rocketmq"] = json!({});
        }),
        ("an example of nothing", |document| {
            document["components"]["messages"]["OrderCreated"]["examples"] = json!([{"name": ""}]);
        }),
    ];
    for (what, edit) in edits {
        let mut document = document();
        edit(&mut document);
        assert!(!validator.is_valid(&document), "{what}");
    }
}

fn object(value: &mut Value) -> &mut serde_json::Map<String, Value> {
    value.as_object_mut().unwrap()
}

/// The references below a value that lead nowhere: neither to a part of the document nor to a file.
fn dangling(value: &Value, document: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let leads = match reference.strip_prefix('#') {
                    Some(pointer) => document.pointer(pointer).is_some(),
                    None => root().join("docs").join(reference).is_file(),
                };
                if !leads {
                    found.push(reference.to_owned());
                }
            }
            members.values().for_each(|value| dangling(value, document, found));
        }
        Value::Array(items) => items.iter().for_each(|item| dangling(item, document, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_part_or_a_file() {
    let mut document = document();
    let mut found = Vec::new();
    dangling(&document, &document, &mut found);
    assert!(found.is_empty(), "{found:?}");

    object(&mut document["components"]["messages"]).remove("UserDeleted");
    let payload = &mut document["components"]["messages"]["OrderCreated"]["payload"];
    payload["$ref"] = json!("./events/OrderMade.schema.json");
    dangling(&document, &document, &mut found);
    found.sort();
    let wrong = ["#/components/messages/UserDeleted", "./events/OrderMade.schema.json"];
    assert_eq!(found, wrong);
}
