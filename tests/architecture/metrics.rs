//! Alarms use only metrics that exist, and the dashboard shows every metric that functions emit.

use std::collections::{BTreeMap, BTreeSet};

use application::events::answer_check::CheckReport;
use application::events::consume::ConsumptionReport;
use application::events::sweep::SweepReport;
use application::ports::Clock;
use domain::timestamp::Timestamp;
use lambda_http::Request;
use local_lambda::FunctionSpec;
use platform::metrics::{DIMENSION, Metrics, NAMESPACE};
use serde_json::Value;
use transaction_check::gauges::Gauges;

use crate::adapters::files;
use crate::template::template;
use crate::{document, resources, root};

/// Namespace, name and the function in the dimension.
type Metric = (String, String, String);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// The metrics as which a function counts the numbers of its reports, even those that are 0.
fn reported(function: &FunctionSpec) -> Vec<&'static str> {
    let metrics: Vec<_> = match function.name.as_str() {
        "event-consumer" => ConsumptionReport::default().metrics().collect(),
        "transaction-check" => {
            CheckReport::default().metrics().chain(SweepReport::default().metrics()).collect()
        }
        _ => Vec::new(),
    };
    metrics.into_iter().map(|(metric, _)| metric).collect()
}

/// Makes the function count its metrics, and of each report one number that must be written.
async fn exercise(function: &FunctionSpec) -> &'static [&'static str] {
    match function.name.as_str() {
        "event-consumer" => {
            let report = ConsumptionReport { handled: 1, ..ConsumptionReport::default() };
            event_consumer::WindowReport(report).count();
            &["EventsHandled"]
        }
        "transaction-check" => {
            let checks = CheckReport { committed: 1, ..CheckReport::default() };
            let sweep =
                SweepReport { sent: 1, looks: 1, oldest_ms: 1_500, ..SweepReport::default() };
            transaction_check::WindowReport { checks, sweep }.count();
            Gauges { half_messages_discarded: Some(1), consumer_lag: Some(1) }.count();
            Gauges { half_messages_discarded: None, consumer_lag: None }.count();
            &["ChecksCommitted", "EventsSwept"]
        }
        // Every function with a route answers through `web::serve`.
        _ if !function.routes.is_empty() => {
            let broken = async |_, _: Request| Err(web::Problem::internal("broken"));
            web::serve(&Fixed, Request::default(), broken).await;
            &[]
        }
        other => panic!("no test knows what {other} counts"),
    }
}

/// The names in the last document.
fn written(metrics: Metrics) -> BTreeSet<String> {
    let mut output = Vec::new();
    metrics.write_to(&mut output).unwrap();
    let document: Value = serde_json::from_slice(&output).unwrap();
    let [directive] = document["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
        panic!("not one directive: {document}");
    };
    assert_eq!(directive["Namespace"], NAMESPACE);
    assert_eq!(directive["Dimensions"], serde_json::json!([[DIMENSION]]));
    assert!(document[DIMENSION].is_string(), "{document}");
    let defined = directive["Metrics"].as_array().unwrap();
    defined
        .iter()
        .map(|metric| {
            let name = metric["Name"].as_str().unwrap().to_owned();
            assert!(!document[&name].is_null(), "{name} has no value in {document}");
            name
        })
        .collect()
}

fn emitted(functions: &[FunctionSpec]) -> BTreeSet<Metric> {
    let metrics = platform::metrics::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut emitted = BTreeSet::new();
    for function in functions {
        let counted = runtime.block_on(exercise(function));
        let mut names = written(metrics);
        assert!(counted.iter().all(|name| names.contains(*name)), "{counted:?} in {names:?}");
        names.extend(reported(function).into_iter().map(str::to_owned));
        emitted.extend(
            names.into_iter().map(|name| (NAMESPACE.to_owned(), name, function.logical_id.clone())),
        );
    }
    emitted
}

/// As an alarm names it.
fn of_alarm(metric: &Value) -> Metric {
    let dimensions = metric["Dimensions"].as_array().unwrap();
    let [dimension] = dimensions.as_slice() else { panic!("not one dimension: {metric}") };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let named = text(&dimension["Name"]);
    let expected = if metric["Namespace"] == "AWS/ApiGateway" { "ApiId" } else { DIMENSION };
    assert_eq!(named, expected, "{metric}");
    (text(&metric["Namespace"]), text(&metric["MetricName"]), text(&dimension["Value"]["Ref"]))
}

fn in_alarms(document: &Value) -> BTreeSet<(String, Metric)> {
    let mut found = BTreeSet::new();
    for (name, alarm) in resources(document, "AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let metrics: Vec<&Value> = match properties.get("Metrics") {
            None => vec![properties],
            Some(queries) => {
                let queries = queries.as_array().unwrap().iter();
                queries.filter_map(|query| query.pointer("/MetricStat/Metric")).collect()
            }
        };
        assert!(!metrics.is_empty(), "{name}");
        found.extend(metrics.into_iter().map(|metric| (name.to_owned(), of_alarm(metric))));
    }
    found
}

fn in_dashboard(document: &Value) -> BTreeSet<Metric> {
    let body = document.pointer("/Resources/Dashboard/Properties/DashboardBody/Fn::Sub").unwrap();
    // Every `${Name}` stands for one name.
    let mut text = String::new();
    for (index, part) in body.as_str().unwrap().split("${").enumerate() {
        text.push_str(&if index == 0 { part.to_owned() } else { part.replacen('}', "", 1) });
    }
    let body: Value = serde_json::from_str(&text).expect("the dashboard's body is JSON");
    let mut found = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            let text = |index: usize| metric[index].as_str().unwrap().to_owned();
            let dimension = if text(0) == "AWS/ApiGateway" { "ApiId" } else { DIMENSION };
            assert_eq!(text(2), dimension, "{metric}");
            found.insert((text(0), text(1), text(3)));
        }
    }
    found
}

fn ours(metrics: BTreeSet<Metric>) -> BTreeSet<Metric> {
    metrics.into_iter().filter(|(namespace, _, _)| namespace == NAMESPACE).collect()
}

/// The names of metrics in the text of some code.
fn named_in(text: &str) -> impl Iterator<Item = &str> {
    ["counter!(", "histogram!(", "gauge!("].into_iter().flat_map(|call| {
        text.split(call)
            .skip(1)
            .filter_map(|arguments| arguments.trim_start().strip_prefix('"')?.split('"').next())
    })
}

/// `exercise` counts each metric that the code names where it counts. The names beside the numbers
/// of a report are in `reported`.
fn assert_all_counted(emitted: &BTreeSet<Metric>) {
    let emitted: BTreeSet<_> = emitted.iter().map(|(_, name, _)| name.as_str()).collect();
    let mut named = 0;
    for path in ["functions", "shared"].iter().flat_map(|folder| files(&root().join(folder))) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for name in named_in(&text) {
            let path = path.display();
            assert!(emitted.contains(name), "`exercise` does not count {name} of {path}");
            named += 1;
        }
    }
    assert!(named >= 3, "{named} names were found");
}

#[test]
fn alarms_and_the_dashboard_use_the_metrics_that_the_functions_emit() {
    let document = document();
    let emitted = emitted(&template().functions);
    assert_all_counted(&emitted);
    let alarms: BTreeSet<Metric> =
        in_alarms(&document).into_iter().map(|(_, metric)| metric).collect();
    let missing: Vec<_> = ours(alarms).difference(&emitted).cloned().collect();
    assert_eq!(missing, Vec::<Metric>::new(), "alarms on metrics that no function emits");
    assert_eq!(ours(in_dashboard(&document)), emitted, "the dashboard shows each metric");
}

#[test]
fn every_function_has_its_alarms() {
    let document = document();
    let mut alarms_on: BTreeMap<Metric, BTreeSet<String>> = BTreeMap::new();
    for (alarm, metric) in in_alarms(&document) {
        alarms_on.entry(metric).or_default().insert(alarm);
    }
    let dashboard = in_dashboard(&document);
    for function in template().functions {
        let id = &function.logical_id;
        let metric = |namespace: &str, name: &str| -> Metric {
            (namespace.to_owned(), name.to_owned(), id.clone())
        };
        let alarm = |namespace: &str, name: &str| {
            let metric = metric(namespace, name);
            let alarms = alarms_on.get(&metric).unwrap_or_else(|| panic!("no alarm on {metric:?}"));
            alarms.first().unwrap().clone()
        };
        let errors = alarm("AWS/Lambda", "Errors");
        alarm("AWS/Lambda", "Throttles");
        assert!(dashboard.contains(&metric("AWS/Lambda", "Errors")), "{id}");
        let mut rolls_back = BTreeSet::from([errors]);
        if function.schedules.is_empty() {
            rolls_back.insert(alarm(NAMESPACE, "ServerErrors"));
        } else {
            alarm("AWS/Lambda", "Invocations");
        }
        let preference = &document["Resources"][id]["Properties"]["DeploymentPreference"];
        let named: BTreeSet<String> = preference["Alarms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|alarm| alarm["Ref"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(named, rolls_back, "what rolls {id} back");
    }
}

#[test]
fn every_alarm_is_sent_to_the_alarm_topic() {
    for (name, alarm) in resources(&document(), "AWS::CloudWatch::Alarm") {
        let actions = serde_json::json!([{"Ref": "AlarmTopic"}]);
        assert_eq!(alarm["Properties"]["AlarmActions"], actions, "{name}");
        assert!(alarm["Properties"]["AlarmDescription"].is_string(), "{name}");
    }
}
