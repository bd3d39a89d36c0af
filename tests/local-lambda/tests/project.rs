//! A small project: a function behind a route, one on a schedule, and a table.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use local_lambda::{
    Children, Gateway, HostOptions, LambdaHost, ProcessChange, ProcessObserver, Schedules, Template,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{PROBE, until};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/project/template.yaml");

fn template() -> Template {
    let parameters = BTreeMap::from([("Bucket".to_owned(), "pictures".to_owned())]);
    Template::load(TEMPLATE.as_ref(), "gallery", &parameters).unwrap()
}

/// A folder with a binary for each function, as `cargo build` leaves one.
fn binaries(template: &Template) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for function in &template.functions {
        std::os::unix::fs::symlink(PROBE, folder.path().join(&function.name)).unwrap();
    }
    folder
}

#[derive(Default)]
struct Events(Mutex<Vec<(String, Value)>>);

impl ProcessObserver for Events {
    fn process(&self, function: &str, _: u32, change: &ProcessChange) {
        if let ProcessChange::Invoked { payload } = change {
            let event = serde_json::from_slice(payload).unwrap();
            self.0.lock().unwrap().push((function.to_owned(), event));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_served_from_its_template() {
    let template = template();
    let folder = binaries(&template);
    let events = Arc::new(Events::default());
    let options = HostOptions { observer: Some(events.clone()), ..HostOptions::new(folder.path()) };
    let children = Children::new().unwrap();
    let host = LambdaHost::start(&template.functions, options, &children).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::start(listener, &template.functions, &host, None).unwrap();
    let schedules = Schedules::start(&template.functions, &host);

    let base = format!("http://{}", gateway.address);
    let answer = reqwest::get(format!("{base}/thumbnails/two%20cats")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["event"]["routeKey"], "GET /thumbnails/{name}");
    assert_eq!(answer["event"]["pathParameters"], json!({"name": "two cats"}));
    let environment = answer["environment"].as_object().unwrap();
    for (name, value) in [
        ("BUCKET", "pictures"),
        ("QUALITY", "80"),
        ("SEEN_TABLE", "gallery-SeenTable"),
        ("AWS_LAMBDA_FUNCTION_NAME", "thumbnail"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    assert_eq!(reqwest::get(base).await.unwrap().status(), 404);

    let scheduled = ("clean-up".to_owned(), json!({"unseen_days": 30}));
    until(|| events.0.lock().unwrap().contains(&scheduled)).await;
    schedules.stop();
    gateway.stop();
    host.stop().await;
    assert!(children.pids().is_empty());
}

#[tokio::test]
async fn a_missing_binary_is_an_error_that_says_how_to_build_it() {
    let template = template();
    let folder = binaries(&template);
    std::fs::remove_file(folder.path().join("clean-up")).unwrap();
    let children = Children::new().unwrap();
    let host = LambdaHost::start(&template.functions, HostOptions::new(folder.path()), &children);
    let error = host.err().unwrap().to_string();
    assert!(error.contains("clean-up is missing: build it"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_binaries_may_be_relative() {
    let template = template();
    let folder = binaries(&template);
    let here = std::env::current_dir().unwrap();
    let up: String = here.components().skip(1).map(|_| "../").collect();
    let relative = Path::new(&up).join(folder.path().strip_prefix("/").unwrap());
    let children = Children::new().unwrap();
    let options = HostOptions::new(relative);
    let host = LambdaHost::start(&template.functions, options, &children).unwrap();
    let result = host.invoke("thumbnail", "{}").await.unwrap();
    assert_eq!(result.function_error, None, "{:?}", result.payload);
    host.stop().await;
}
