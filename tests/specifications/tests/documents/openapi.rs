//! `docs/openapi.yaml` is true to the code.

use std::collections::BTreeSet;
use std::path::Path;

use contracts::order::STATUSES;
use contracts::problem::MEDIA_TYPE;
use contracts::schema::INTEGER_MAX;
use contracts::user::ACTIVITY_TYPES;
use domain::account::{ActivityKind, EmailAddress, PASSWORD_BYTES_MAX, PASSWORD_LENGTH_MIN};
use domain::identity::INTEGER_IDENTIFIER_MAX;
use domain::money::Money;
use domain::order::{LINES_MAX, OrderStatus, Quantity};
use serde_json::{Value, json};
use specifications::openapi;
use web::ProblemKind;

use crate::root;

#[test]
fn the_stored_files_are_up_to_date() {
    let different = specifications::differences(&root()).unwrap();
    assert!(different.is_empty(), "run `{}`: {different:?} differ", specifications::COMMAND);
}

/// A validator of the part of the document at a pointer, which may refer to other parts.
fn validator(document: &Value, pointer: &str) -> jsonschema::Validator {
    let mut schema = json!({"$ref": format!("#{pointer}")});
    schema["components"] = document["components"].clone();
    schema["paths"] = document["paths"].clone();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// A key as a part of a JSON pointer in a fragment.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D")
}

/// Every place below `pointer` whose value has a schema beside its examples, with these examples.
fn examples(document: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    let Some(members) = document.as_object() else { return };
    if members.contains_key("schema") {
        let schema = format!("{pointer}/schema");
        found.extend(members.get("example").map(|example| (schema.clone(), example.clone())));
        for example in members.get("examples").and_then(Value::as_object).into_iter().flatten() {
            found.push((schema.clone(), example.1.clone()));
        }
    }
    for (key, value) in members {
        examples(value, &format!("{pointer}/{}", escaped(key)), found);
    }
}

#[test]
fn every_example_is_valid() {
    let document = openapi::document();
    let mut found = Vec::new();
    examples(&document, "", &mut found);
    assert!(found.len() > 30, "{} examples", found.len());
    for (schema, example) in found {
        let value = match (example.get("$ref"), example.get("value")) {
            (Some(reference), _) => {
                let pointer = reference.as_str().unwrap().trim_start_matches('#');
                document.pointer(pointer).unwrap()["value"].clone()
            }
            (None, Some(value)) => value.clone(),
            (None, None) => example,
        };
        let validator = validator(&document, &schema);
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{schema}: {errors:?} in {value}");
    }
}

/// Every body below `pointer`, and whether it has an example.
fn bodies(document: &Value, pointer: &str, found: &mut Vec<(String, bool)>) {
    let Some(members) = document.as_object() else { return };
    for (media_type, body) in
        members.get("content").and_then(Value::as_object).into_iter().flatten()
    {
        let has_example = body.get("example").or(body.get("examples")).is_some();
        found.push((format!("{pointer}/{media_type}"), has_example));
    }
    for (key, value) in members {
        bodies(value, &format!("{pointer}/{}", escaped(key)), found);
    }
}

#[test]
fn every_body_has_an_example() {
    let mut found = Vec::new();
    bodies(&openapi::document(), "", &mut found);
    assert!(found.len() > 40, "{} bodies", found.len());
    found.retain(|(_, has_example)| !has_example);
    assert!(found.is_empty(), "{found:?}");
}

/// The references below a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_component_and_every_component_but_one_is_referred_to() {
    let document = openapi::document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut unused = Vec::new();
    for (section, components) in document["components"].as_object().unwrap() {
        if section == "securitySchemes" {
            continue;
        }
        for name in components.as_object().unwrap().keys() {
            let reference = format!("#/components/{section}/{name}");
            if !found.contains(reference.as_str()) {
                unused.push(reference);
            }
        }
    }
    // No operation is answered with it: it says that there is none.
    assert_eq!(unused, ["#/components/responses/MethodNotAllowed"]);
}

/// The value that a reference leads to, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The operations with their identifiers.
fn operations(document: &Value) -> Vec<(&str, &Value)> {
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    operations.map(|one| (one["operationId"].as_str().unwrap(), one)).collect()
}

/// The problem documents that an operation's answers have as examples.
fn problems<'a>(document: &'a Value, operation: &'a Value) -> Vec<&'a Value> {
    let responses = operation["responses"].as_object().unwrap().values();
    let responses = responses.map(|response| resolved(document, response));
    let bodies = responses.filter_map(|one| one["content"].get(MEDIA_TYPE));
    let examples = bodies.flat_map(|body| body["examples"].as_object().unwrap().values());
    examples.map(|example| &resolved(document, example)["value"]).collect()
}

/// The schema of the body that an operation reads, and null if it reads none.
fn request<'a>(document: &'a Value, operation: &'a Value) -> &'a Value {
    resolved(document, &operation["requestBody"]["content"]["application/json"]["schema"])
}

/// Whether a body with this schema has the place that a pointer of a fault names.
fn has_place(document: &Value, schema: &Value, pointer: &str) -> bool {
    let mut place = schema;
    for part in pointer.trim_start_matches('#').split('/').skip(1) {
        let below = if part.parse::<u32>().is_ok() { "items" } else { "properties" };
        let inner = &resolved(document, place)[below];
        place = if below == "items" { inner } else { &inner[part] };
    }
    !place.is_null()
}

#[test]
fn every_fault_in_an_example_is_at_a_place_of_the_body_that_the_operation_reads() {
    let document = openapi::document();
    let mut faults = 0;
    for (id, operation) in operations(&document) {
        let schema = request(&document, operation);
        for problem in problems(&document, operation) {
            for fault in problem["errors"].as_array().into_iter().flatten() {
                let pointer = fault["pointer"].as_str().unwrap();
                assert!(has_place(&document, schema, pointer), "{id}: {pointer}");
                faults += 1;
            }
        }
    }
    assert!(faults > 10, "{faults} faults");
    let schema = &document["components"]["schemas"]["CreateOrder"];
    for (pointer, expected) in [
        ("#", true),
        ("#/items/0/quantity", true),
        ("#/items/0/email", false),
        ("#/items/quantity", false),
        ("#/email", false),
    ] {
        assert_eq!(has_place(&document, schema, pointer), expected, "{pointer}");
    }
}

#[test]
fn every_text_of_a_problem_fits_its_operation() {
    let document = openapi::document();
    for (id, operation) in operations(&document) {
        let has = |member: &str| !request(&document, operation)["properties"][member].is_null();
        let parameters: Vec<&Value> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| &resolved(&document, parameter)["name"])
            .collect();
        // What a text names, and whether the operation has it.
        let named = [
            ("user_id", has("user_id")),
            ("assword", has("password") || has("current_password") || has("new_password")),
            ("refresh token", has("refresh_token")),
            ("The token", has("token")),
            ("access token", operation["security"] != json!([])),
            ("Idempotency-Key", parameters.contains(&&json!("Idempotency-Key"))),
            ("`limit`", parameters.contains(&&json!("limit"))),
            ("`cursor`", parameters.contains(&&json!("cursor"))),
            ("order was", id.ends_with("Order")),
        ];
        for problem in problems(&document, operation) {
            let detail = problem["detail"].as_str().unwrap();
            for (name, is_there) in named {
                assert!(is_there || !detail.contains(name), "{id}: {detail}");
            }
        }
    }
}

/// The sources below a folder, each text in one line as the compiler reads it.
fn sources(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut parts = text.split("\\\n");
            found.push_str(parts.next().unwrap_or_default());
            parts.for_each(|part| found.push_str(part.trim_start()));
        }
    }
}

#[test]
fn every_text_of_a_problem_is_one_of_the_code() {
    let mut code = String::new();
    for folder in ["functions", "shared"] {
        sources(&root().join(folder), &mut code);
    }
    let document = openapi::document();
    let mut texts = BTreeSet::new();
    for (_, operation) in operations(&document) {
        for problem in problems(&document, operation) {
            let faults = problem["errors"].as_array().into_iter().flatten();
            let faults = faults.map(|fault| fault["detail"].as_str().unwrap());
            texts.extend(faults.chain(problem["detail"].as_str()));
        }
    }
    assert!(texts.len() > 30, "{} texts", texts.len());
    for text in texts {
        // A number is a constant's. The reasons of health follow a colon.
        let parts = text.split(|c: char| c.is_ascii_digit() || c == ':');
        for part in parts.map(|part| part.trim().trim_end_matches('.')) {
            assert!(code.contains(part), "no code says `{part}`, which is of {text:?}");
        }
    }
}

#[test]
fn a_method_that_a_path_does_not_have_is_answered_with_those_that_it_has() {
    let document = openapi::document();
    let response = &document["components"]["responses"]["MethodNotAllowed"];
    assert_eq!(resolved(&document, &response["headers"]["Allow"])["required"], true);
    let schema = &response["content"][MEDIA_TYPE]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/MethodNotAllowedProblem");
    for (id, operation) in operations(&document) {
        assert!(operation["responses"].get("405").is_none(), "{id}");
    }
}

#[test]
fn the_order_that_may_exist_is_named() {
    let document = openapi::document();
    let operations = operations(&document);
    let (_, create) = operations.iter().find(|(id, _)| *id == "createOrder").unwrap();
    let problems = problems(&document, create);
    assert!(problems.iter().any(|problem| problem["order_id"].is_string()));
}

#[test]
fn every_problem_of_the_code_has_a_schema_and_an_example() {
    let document = openapi::document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for kind in ProblemKind::ALL {
        let schema = schemas.values().find(|schema| {
            schema.pointer("/allOf/1/properties/type/const") == Some(&json!(kind.urn()))
        });
        let status = &schema.unwrap()["allOf"][1]["properties"]["status"]["const"];
        assert_eq!(status, kind.status().as_u16());
        let example = &document["components"]["examples"][kind.slug()]["value"];
        assert_eq!(example["type"], kind.urn());
    }
}

#[test]
fn the_bounds_are_those_of_the_domain() {
    let document = openapi::document();
    let schema = |name: &str| &document["components"]["schemas"][name]["properties"];
    assert_eq!(schema("CreateOrder")["items"]["maxItems"], LINES_MAX);
    for name in ["RequestedItem", "Item"] {
        assert_eq!(schema(name)["quantity"]["maximum"], Quantity::MAX);
    }
    assert_eq!(schema("Register")["email"]["maxLength"], EmailAddress::LENGTH_MAX);
    for (name, member) in [("Register", "password"), ("ChangePassword", "new_password")] {
        assert_eq!(schema(name)[member]["minLength"], PASSWORD_LENGTH_MIN);
        assert_eq!(schema(name)[member]["maxLength"], PASSWORD_BYTES_MAX);
    }
    assert_eq!(INTEGER_MAX, INTEGER_IDENTIFIER_MAX);
    assert_eq!(INTEGER_MAX, Money::MAX.minor());
    assert_eq!(ACTIVITY_TYPES, ActivityKind::ALL.map(ActivityKind::as_str));
    assert_eq!(STATUSES, OrderStatus::ALL.map(OrderStatus::as_str));
}
