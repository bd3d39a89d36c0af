//! `docs/openapi.yaml` is true to the code.

use std::collections::BTreeSet;

use contracts::order::STATUSES;
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
    let expected = [
        "#/components/examples/method-not-allowed",
        "#/components/schemas/MethodNotAllowedProblem",
    ];
    assert_eq!(unused, expected);
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
