//! The events of this version and of those before it are understood by each other's readers.

use std::collections::BTreeSet;
use std::io::{self, Write};

use contracts::event::{Event, EventType, SCHEMA_VERSION};
use contracts::schema::of_event;
use serde_json::{Map, Value, json};
use specifications::asyncapi;
use specifications::released::{Kept, NOT_COMPARED, kept, released};

use crate::root;

/// The stored events or schemas of these versions: version, type of event, text.
fn stored(versions: Vec<Kept>, ending: &str) -> Vec<(String, EventType, String)> {
    let mut found = Vec::new();
    for Kept { version, folder, .. } in versions {
        for file in std::fs::read_dir(folder.join("events")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let Some((event_type, _)) = name.split_once('.').filter(|(_, end)| *end == ending)
            else {
                continue;
            };
            // A type that the code no longer has is a break.
            let event_type = EventType::from_name(event_type).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((version.clone(), event_type, text));
        }
    }
    found
}

/// The events and schemas in every folder, whether or not its version was released.
fn stored_in_every_folder(ending: &str) -> Vec<(String, EventType, String)> {
    let found = stored(kept(&root()).unwrap(), ending);
    assert!(!found.is_empty());
    found
}

/// The schemas of the released versions that have the code's `schemaversion`: readers of the others
/// refuse its events.
fn released_schemas() -> Vec<(String, EventType, Value)> {
    let released = released(&root()).unwrap();
    if released.is_empty() {
        // Unlike what `eprintln!` prints, it is shown though the test succeeds.
        let line = format!("{NOT_COMPARED}, so the schemas of events may change\n");
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
    let parsed = stored(released, "schema.json").into_iter().map(|(version, event_type, text)| {
        (version, event_type, serde_json::from_str::<Value>(&text).unwrap())
    });
    parsed
        .filter(|(_, _, schema)| {
            schema["properties"]["schemaversion"]["const"] == json!(SCHEMA_VERSION)
        })
        .collect()
}

fn assert_valid(schema: &Value, event: &Value, what: &str) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(event).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?} in {event}");
}

fn written(event_type: EventType) -> Value {
    serde_json::from_slice(&asyncapi::example(event_type).encode().unwrap()).unwrap()
}

#[test]
fn what_the_code_writes_has_its_schema() {
    for event_type in EventType::ALL {
        assert_valid(&of_event(event_type), &written(event_type), event_type.as_str());
    }
}

#[test]
fn a_schema_refuses_what_the_code_cannot_read() {
    for event_type in EventType::ALL {
        let schema = jsonschema::validator_for(&of_event(event_type)).unwrap();
        let edits: [fn(&mut Value); 5] = [
            |event| event["data"]["aggregate_version"] = json!("1"),
            |event| event["data"]["user_id"] = json!(-1),
            |event| event["schemaversion"] = json!(SCHEMA_VERSION + 1),
            |event| event["specversion"] = json!("0.3"),
            |event| drop(event.as_object_mut().unwrap().remove("id")),
        ];
        for edit in edits {
            let mut event = written(event_type);
            edit(&mut event);
            assert!(Event::decode(event.to_string().as_bytes()).is_err(), "{event}");
            assert!(!schema.is_valid(&event), "{event}");
        }
    }
}

#[test]
fn every_folder_has_an_example_of_each_event_that_it_has_a_schema_of() {
    let types = |ending| -> BTreeSet<(String, &str)> {
        let stored = stored_in_every_folder(ending).into_iter();
        stored.map(|(version, event_type, _)| (version, event_type.as_str())).collect()
    };
    assert_eq!(types("json"), types("schema.json"));
}

#[test]
fn stored_events_in_every_folder_are_read() {
    for (version, event_type, text) in stored_in_every_folder("json") {
        let event: Value = serde_json::from_str(&text).unwrap();
        let read = Event::decode(text.as_bytes()).unwrap();
        assert_eq!(read.data.event_type(), event_type, "{version}");
        if event["schemaversion"] != json!(SCHEMA_VERSION) {
            continue;
        }
        assert_valid(&of_event(event_type), &event, &version);
        // Nothing of it is lost.
        let again: Value = serde_json::from_slice(&read.encode().unwrap()).unwrap();
        assert_eq!(again, event, "{version}");
    }
}

#[test]
fn readers_of_every_released_version_understand_what_the_code_writes() {
    for (version, event_type, schema) in released_schemas() {
        assert_valid(&schema, &written(event_type), &version);
    }
}

#[test]
fn no_schema_differs_from_a_released_one_in_what_its_readers_rely_on() {
    for (version, event_type, schema) in released_schemas() {
        let mut breaks = Vec::new();
        compare(&schema, &of_event(event_type), event_type.as_str(), &mut breaks);
        assert_eq!(breaks, Vec::<String>::new(), "since {version}");
    }
}

/// Members of a schema that say nothing about what is valid.
const WORDS: [&str; 5] = ["$id", "$schema", "title", "description", "examples"];

/// Finds what readers or writers of one of two schemas would not accept of the other's. Only a
/// member that is new and may be absent is compatible both ways.
fn compare(old: &Value, new: &Value, place: &str, breaks: &mut Vec<String>) {
    let empty = Map::new();
    let members = |schema: &Value, name: &str| match schema.get(name) {
        Some(Value::Object(members)) => members.clone(),
        _ => Map::new(),
    };
    let required = |schema: &Value| -> BTreeSet<String> {
        let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    if required(old) != required(new) {
        breaks.push(format!("{place}: other members are required"));
    }
    let (old_members, new_members) = (members(old, "properties"), members(new, "properties"));
    for (name, schema) in &old_members {
        let place = format!("{place}.{name}");
        match new_members.get(name) {
            Some(now) => compare(schema, now, &place, breaks),
            None => breaks.push(format!("{place} is gone")),
        }
    }
    if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
        compare(old, new, &format!("{place}[]"), breaks);
    }
    let rest = |schema: &Value| -> Map<String, Value> {
        let mut rest = schema.as_object().unwrap_or(&empty).clone();
        rest.retain(|name, value| {
            let compared = matches!(name.as_str(), "properties" | "required")
                || (name == "items" && value.is_object());
            !compared && !WORDS.contains(&name.as_str())
        });
        rest
    };
    if rest(old) != rest(new) {
        breaks.push(format!("{place}: {:?} became {:?}", rest(old), rest(new)));
    }
}

#[test]
fn a_change_that_breaks_readers_is_noticed() {
    let old = of_event(EventType::OrderCreated);
    let breaks = |edit: &dyn Fn(&mut Value)| {
        let mut new = old.clone();
        edit(&mut new);
        let mut breaks = Vec::new();
        compare(&old, &new, "", &mut breaks);
        breaks
    };
    let added = breaks(&|schema| {
        schema["properties"]["data"]["properties"]["gift"] = json!({"type": "boolean"});
        schema["description"] = json!("in other words");
    });
    assert_eq!(added, Vec::<String>::new());
    let gone = breaks(&|schema| {
        let data = schema["properties"]["data"]["properties"].as_object_mut().unwrap();
        data.remove("currency");
    });
    assert_eq!(gone, [".data.currency is gone"]);
    let required = breaks(&|schema| {
        schema["properties"]["data"]["required"].as_array_mut().unwrap().push(json!("gift"));
    });
    assert_eq!(required, [".data: other members are required"]);
    let retyped = breaks(&|schema| {
        let item = &mut schema["properties"]["data"]["properties"]["items"]["items"];
        item["properties"]["quantity"]["type"] = json!("string");
    });
    assert_eq!(retyped.len(), 1, "{retyped:?}");
    assert!(retyped[0].starts_with(".data.items[].quantity"), "{retyped:?}");
}
