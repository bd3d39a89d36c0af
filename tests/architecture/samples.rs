//! Every trigger of every function has a sample, and every sample is for a trigger.

use std::collections::BTreeSet;

use lambda_http::request::LambdaRequest;

use crate::root;
use crate::template::template;

/// One trigger for all schedules of a function, which differ only in their times.
const SCHEDULE: &str = "schedule";

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
fn every_route_and_every_schedule_has_a_sample_that_its_function_understands() {
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
            .unwrap_or_else(|| panic!("no function has the name of {sample}"));
        let trigger = if function.routes.is_empty() {
            assert!(understands(&function.name, &text), "{sample}");
            SCHEDULE.to_owned()
        } else {
            match serde_json::from_str(&text).unwrap() {
                LambdaRequest::ApiGatewayV2(request) => request.route_key.unwrap(),
                _ => panic!("{sample} is not of payload format 2.0"),
            }
        };
        seen.insert((function.name.clone(), trigger));
    }
    let mut triggers = BTreeSet::new();
    for function in &functions {
        // HEAD is answered by the function that answers GET.
        for route in function.routes.iter().filter(|route| route.method != "HEAD") {
            let key = match route.path.as_str() {
                "$default" => "$default".to_owned(),
                path => format!("{} {path}", route.method),
            };
            triggers.insert((function.name.clone(), key));
        }
        if !function.schedules.is_empty() {
            triggers.insert((function.name.clone(), SCHEDULE.to_owned()));
        }
    }
    assert_eq!(seen, triggers);
}

#[test]
fn every_function_understands_what_its_schedule_sends() {
    for function in template().functions {
        for schedule in &function.schedules {
            assert!(understands(&function.name, &schedule.input), "{}", schedule.input);
        }
    }
}
