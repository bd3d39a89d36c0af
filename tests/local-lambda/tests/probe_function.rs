//! A Lambda function that does what its event asks for; the tests run it.
//!
//! `{"sleep_ms": n}` waits, `{"exit": true}` ends the process, `{"fail": true}` returns an error;
//! everything else answers with the process id, the environment and the event. With the variable
//! `DIE` it ends before its first event.

#![allow(clippy::disallowed_methods, reason = "it returns its environment")]

use std::collections::BTreeMap;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    if std::env::var_os("DIE").is_some() {
        return Err("it ends as requested".into());
    }
    run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let payload = &event.payload;
    if let Some(ms) = payload.get("sleep_ms").and_then(Value::as_u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if payload.get("exit").is_some() {
        std::process::abort();
    }
    if payload.get("fail").is_some() {
        return Err("it fails as requested".into());
    }
    let body = json!({
        "pid": std::process::id(),
        "environment": std::env::vars().collect::<BTreeMap<_, _>>(),
        "deadline_ms": event.context.deadline,
        "arn": event.context.invoked_function_arn,
        "event": payload,
    });
    let headers = json!({"content-type": "application/json"});
    Ok(json!({"statusCode": 200, "headers": headers, "body": body.to_string()}))
}
