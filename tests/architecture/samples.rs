//! Every function has a sample of its trigger, and every sample is one.

use std::collections::BTreeSet;

use lambda_http::request::LambdaRequest;

use crate::root;

/// The functions that API Gateway calls; the others are called by schedules.
const HTTP: [&str; 4] = ["create-order", "get-order", "user-login", "health"];

#[test]
fn every_function_has_a_sample_that_it_understands() {
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let http = HTTP.iter().find(|function| name.starts_with(**function));
        match (http, name.as_str()) {
            (Some(function), _) => {
                let request: LambdaRequest = serde_json::from_str(&text).unwrap();
                assert!(matches!(request, LambdaRequest::ApiGatewayV2(_)), "{name}");
                seen.insert((*function).to_owned());
            }
            (None, "event-consumer") => {
                serde_json::from_str::<event_consumer::WindowEvent>(&text).unwrap();
                seen.insert(name);
            }
            (None, "transaction-check") => {
                serde_json::from_str::<transaction_check::WindowEvent>(&text).unwrap();
                seen.insert(name);
            }
            (None, other) => panic!("no function is called {other}"),
        }
    }
    let functions: BTreeSet<String> = std::fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(seen, functions);
}
