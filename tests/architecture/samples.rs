//! Every function has a sample of its trigger, and every sample is one.

use std::collections::BTreeSet;

use lambda_http::request::LambdaRequest;

use crate::root;
use crate::template::template;

/// Whether a function understands an event of its schedule.
fn understands(function: &str, event: &str) -> bool {
    match function {
        "event-consumer" => serde_json::from_str::<event_consumer::WindowEvent>(event).is_ok(),
        "transaction-check" => {
            serde_json::from_str::<transaction_check::WindowEvent>(event).is_ok()
        }
        other => panic!("no test knows the events of {other}"),
    }
}

#[test]
fn every_function_has_a_sample_that_it_understands() {
    let functions = template().functions;
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let sample = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // `health-ready` is a sample of health.
        let function = functions
            .iter()
            .filter(|function| sample.starts_with(&function.name))
            .max_by_key(|function| function.name.len())
            .unwrap_or_else(|| panic!("no function is called as {sample}"));
        if function.routes.is_empty() {
            assert!(understands(&function.name, &text), "{sample}");
        } else {
            let request: LambdaRequest = serde_json::from_str(&text).unwrap();
            assert!(matches!(request, LambdaRequest::ApiGatewayV2(_)), "{sample}");
        }
        seen.insert(&function.name);
    }
    assert_eq!(seen, functions.iter().map(|function| &function.name).collect());
}

#[test]
fn every_function_understands_what_its_schedule_sends() {
    for function in template().functions {
        for schedule in &function.schedules {
            assert!(understands(&function.name, &schedule.input), "{}", schedule.input);
        }
    }
}
