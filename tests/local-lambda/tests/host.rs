//! The host, the gateway and the schedules with one function.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local_lambda::{
    Children, FunctionSpec, Gateway, HostOptions, InvokeError, LambdaHost, ProcessChange,
    ProcessObserver, Route, Schedule, Schedules, WriterSink,
};
use serde_json::{Value, json};

use crate::{PROBE, until};

const NAME: &str = "probe-function";

struct Rig {
    host: LambdaHost,
    children: Children,
    functions: Vec<FunctionSpec>,
}

fn function(timeout: Duration) -> FunctionSpec {
    let route = |method: &str, path: &str| Route { method: method.into(), path: path.into() };
    FunctionSpec {
        logical_id: "Probe".to_owned(),
        name: NAME.to_owned(),
        timeout,
        memory_mib: 128,
        environment: BTreeMap::from([("FROM_TEMPLATE".to_owned(), "yes".to_owned())]),
        routes: vec![route("GET", "/things/{id}"), route("POST", "/things")],
        schedules: Vec::new(),
        permissions: None,
    }
}

fn rig_with(function: FunctionSpec, instances_max: usize, die: bool) -> Rig {
    observed_rig(function, instances_max, die, None)
}

fn observed_rig(
    function: FunctionSpec,
    instances_max: usize,
    die: bool,
    observer: Option<Arc<dyn ProcessObserver>>,
) -> Rig {
    let children = Children::new().unwrap();
    let dying = BTreeMap::from([("DIE".to_owned(), "1".to_owned())]);
    let options = HostOptions {
        instances_max,
        environment: BTreeMap::from([("FOR_ALL".to_owned(), "yes".to_owned())]),
        function_environment: die.then(|| (NAME.to_owned(), dying)).into_iter().collect(),
        sink: Arc::new(WriterSink::new(std::io::sink())),
        observer,
        ..HostOptions::new(Path::new(PROBE).parent().unwrap())
    };
    let functions = vec![function];
    let host = LambdaHost::start(&functions, options, &children).unwrap();
    Rig { host, children, functions }
}

fn rig() -> Rig {
    rig_with(function(Duration::from_secs(5)), 16, false)
}

impl Rig {
    async fn ask(&self, event: Value) -> Value {
        let result = self.host.invoke(NAME, event.to_string()).await.unwrap();
        assert_eq!(result.function_error, None, "{:?}", result.payload);
        serde_json::from_str(result.json().unwrap()["body"].as_str().unwrap()).unwrap()
    }

    async fn fail(&self, event: Value) -> Value {
        let result = self.host.invoke(NAME, event.to_string()).await.unwrap();
        assert_eq!(result.function_error.as_deref(), Some("Unhandled"));
        result.json().unwrap()
    }

    fn pids(&self) -> Vec<u32> {
        self.host.instances(NAME).unwrap().iter().map(|instance| instance.pid).collect()
    }

    async fn settled(&self) {
        until(|| self.host.instances(NAME).unwrap().iter().all(|one| !one.busy)).await;
    }
}

/// The third field of `/proc/<pid>/stat`: T for a stopped process.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_instance_is_frozen_and_used_again() {
    let rig = rig();
    let first = rig.ask(json!({"n": 1})).await;
    rig.settled().await;
    let pid = rig.pids()[0];
    until(|| state(pid) == Some('T')).await;
    let second = rig.ask(json!({"n": 2})).await;
    assert_eq!(first["pid"], second["pid"]);
    assert_eq!(second["event"], json!({"n": 2}));
    rig.host.stop().await;
    assert_eq!(state(pid), None);
    assert!(rig.children.pids().is_empty());
}

/// Keeps the changes of processes, by their first words.
#[derive(Default)]
struct Changes(Mutex<Vec<(u32, String)>>);

impl ProcessObserver for Changes {
    fn process(&self, function: &str, pid: u32, change: &ProcessChange) {
        assert_eq!(function, NAME);
        let words = format!("{change:?}");
        let word = words.split([' ', '{']).next().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((pid, word));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_sees_each_change_of_a_process() {
    let changes = Arc::new(Changes::default());
    let observer: Arc<dyn ProcessObserver> = changes.clone();
    let rig = observed_rig(function(Duration::from_secs(5)), 16, false, Some(observer));
    rig.ask(json!({"n": 1})).await;
    rig.settled().await;
    rig.ask(json!({"n": 2})).await;
    rig.settled().await;
    let pid = rig.pids()[0];
    rig.host.kill_instance(NAME, pid).unwrap();
    until(|| rig.pids().is_empty()).await;
    let seen = changes.0.lock().unwrap().clone();
    let first = ["Started", "Invoked", "Initialised", "Answered", "Waits"];
    let expected = [first.as_slice(), &["Invoked", "Answered", "Waits", "Ended"]].concat();
    let expected: Vec<_> = expected.into_iter().map(|word| (pid, word.to_owned())).collect();
    assert_eq!(seen, expected);
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_have_a_process_each() {
    let rig = rig();
    let (a, b) = tokio::join!(rig.ask(json!({"sleep_ms": 300})), rig.ask(json!({"sleep_ms": 300})));
    assert_ne!(a["pid"], b["pid"]);
    rig.settled().await;
    assert_eq!(rig.pids().len(), 2);
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_above_the_cap_wait_for_an_instance() {
    let rig = rig_with(function(Duration::from_secs(5)), 1, false);
    let (a, b) = tokio::join!(rig.ask(json!({"sleep_ms": 50})), rig.ask(json!({"sleep_ms": 50})));
    assert_eq!(a["pid"], b["pid"]);
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_lambdas_the_templates_and_nothing_else() {
    let rig = rig();
    let answer = rig.ask(json!({})).await;
    let environment = answer["environment"].as_object().unwrap();
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], NAME);
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128");
    assert_eq!(environment["FROM_TEMPLATE"], "yes");
    assert_eq!(environment["FOR_ALL"], "yes");
    assert!(!environment.contains_key("HOME") && !environment.contains_key("CARGO"));
    let arn = answer["arn"].as_str().unwrap();
    assert!(arn.ends_with(":function:probe-function"), "{arn}");
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_a_function_error_and_the_next_request_starts_a_process() {
    let rig = rig();
    let first = rig.ask(json!({})).await;
    let error = rig.fail(json!({"exit": true})).await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(rig.pids().is_empty());
    assert_ne!(first["pid"], rig.ask(json!({})).await["pid"]);
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_files_are_deleted_with_their_process() {
    let rig = rig();
    let folder = async || {
        let answer = rig.ask(json!({})).await;
        PathBuf::from(answer["environment"]["TMPDIR"].as_str().unwrap())
    };
    let first = folder().await;
    std::fs::write(first.join("left behind"), "by the function").unwrap();
    rig.fail(json!({"exit": true})).await;
    until(|| !first.exists()).await;
    let second = folder().await;
    assert!(second.is_dir() && second != first, "{}", second.display());
    rig.host.stop().await;
    until(|| !second.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_reported_and_the_instance_lives_on() {
    let rig = rig();
    let first = rig.ask(json!({})).await;
    let error = rig.fail(json!({"fail": true})).await;
    assert!(error["errorMessage"].as_str().unwrap().contains("fails as requested"), "{error}");
    assert_eq!(first["pid"], rig.ask(json!({})).await["pid"]);
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_in_init_is_a_function_error() {
    let rig = rig_with(function(Duration::from_secs(5)), 16, true);
    assert_eq!(rig.fail(json!({})).await["errorType"], "Runtime.ExitError");
    assert!(rig.pids().is_empty());
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeout_kills_the_process() {
    let rig = rig_with(function(Duration::from_secs(1)), 16, false);
    rig.ask(json!({})).await;
    let pid = rig.pids()[0];
    let error = rig.fail(json!({"sleep_ms": 60_000})).await;
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    assert!(error["errorMessage"].as_str().unwrap().ends_with("Task timed out after 1.00 seconds"));
    assert_eq!(state(pid), None);
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_killed_is_replaced() {
    let rig = rig();
    let first = rig.ask(json!({})).await;
    rig.settled().await;
    let pid = rig.pids()[0];
    rig.host.kill_instance(NAME, pid).unwrap();
    until(|| rig.pids().is_empty()).await;
    assert_ne!(first["pid"], rig.ask(json!({})).await["pid"]);
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_are_counted_also_those_that_fail() {
    let rig = rig();
    assert_eq!(rig.host.invocations(NAME), Ok(0));
    rig.ask(json!({})).await;
    rig.fail(json!({"fail": true})).await;
    assert_eq!(rig.host.invocations(NAME), Ok(2));
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_host_accepts_no_requests() {
    let rig = rig();
    let slow = rig.host.clone();
    let waiting = async move { slow.invoke(NAME, json!({"sleep_ms": 60_000}).to_string()).await };
    let stopping = async {
        until(|| !rig.pids().is_empty()).await;
        rig.host.stop().await;
    };
    // Either the end of the process or the end of the host ends the request, whichever is first.
    let (lost, ()) = tokio::join!(waiting, stopping);
    assert!(lost.map_or(true, |result| result.function_error.is_some()));
    let refused = rig.host.invoke(NAME, "{}").await;
    assert_eq!(refused.unwrap_err(), InvokeError::Stopped);
    assert!(rig.children.pids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_translates_both_ways_and_answers_as_api_gateway_would() {
    let rig = rig_with(function(Duration::from_secs(1)), 16, false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::start(listener, &rig.functions, &rig.host, None).unwrap();
    let base = format!("http://{}", gateway.address);
    let client = reqwest::Client::new();

    let response = client.get(format!("{base}/things/a%20b?x=1")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["event"]["pathParameters"], json!({"id": "a b"}));
    assert_eq!(answer["event"]["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(answer["event"]["headers"]["x-forwarded-for"], "127.0.0.1");

    let nowhere = client.get(format!("{base}/nowhere")).send().await.unwrap();
    assert_eq!(nowhere.status(), 404);
    assert!(nowhere.headers().contains_key("apigw-requestid"));

    let large = vec![b'x'; local_lambda::BODY_BYTES_MAX + 1];
    let large = client.post(format!("{base}/things")).body(large).send().await.unwrap();
    assert_eq!(large.status(), 413);

    rig.host.kill_instance(NAME, rig.pids()[0]).unwrap();
    until(|| rig.pids().is_empty()).await;
    let again = client.post(format!("{base}/things")).body("{}").send().await.unwrap();
    assert_eq!(again.status(), 200);
    gateway.stop();
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_at_once() {
    let mut function = function(Duration::from_secs(5));
    function.schedules = vec![Schedule {
        name: "EveryMinute".to_owned(),
        rate: Duration::from_secs(60),
        input: "{}".to_owned(),
    }];
    let rig = rig_with(function, 16, false);
    let schedules = Schedules::start(&rig.functions, &rig.host);
    until(|| !rig.pids().is_empty()).await;
    schedules.stop();
    rig.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_again_and_again_whether_or_not_an_invocation_is_still_open() {
    let mut function = function(Duration::from_secs(60));
    function.schedules = vec![Schedule {
        name: "Often".to_owned(),
        rate: Duration::from_millis(200),
        input: json!({"sleep_ms": 60_000}).to_string(),
    }];
    let rig = rig_with(function, 3, false);
    let schedules = Schedules::start(&rig.functions, &rig.host);
    // Each invocation stays open, so each has its own process.
    until(|| rig.pids().len() == 3).await;
    schedules.stop();
    rig.host.stop().await;
}
