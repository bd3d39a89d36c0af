//! The operations guide lists every parameter and alarm, and the right costs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{document, resources, root};

fn guide() -> String {
    std::fs::read_to_string(root().join("docs/operations.md")).unwrap()
}

/// The cells of the table that begins with this line, row by row.
fn table(guide: &str, head: &str) -> Vec<Vec<String>> {
    let rows = guide.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// In backticks.
fn names(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// As the guide writes it.
fn default_of(parameter: &Value) -> String {
    match parameter.get("Default") {
        None => "–".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[test]
fn every_parameter_is_in_the_guide_with_its_default() {
    let document = document();
    let parameters = document["Parameters"].as_object().unwrap();
    let expected: BTreeMap<String, String> =
        parameters.iter().map(|(name, one)| (name.clone(), default_of(one))).collect();
    let mut listed = BTreeMap::new();
    for row in table(&guide(), "| parameter | default |") {
        let named: Vec<_> = names(&row[0]).collect();
        let mut defaults: Vec<_> = row[1].split(", ").map(|one| one.replace('`', "")).collect();
        // A default that all parameters of a row share is written once.
        if defaults.len() == 1 {
            defaults.resize(named.len(), defaults[0].clone());
        }
        assert_eq!(named.len(), defaults.len(), "{row:?}");
        listed.extend(named.into_iter().zip(defaults));
    }
    assert_eq!(listed, expected);
}

#[test]
fn every_alarm_is_in_the_guide() {
    let document = document();
    let listed: Vec<String> = table(&guide(), "| alarm |")
        .iter()
        .flat_map(|row| names(&row[0]).collect::<Vec<_>>())
        .collect();
    let alarms: BTreeSet<&str> =
        resources(&document, "AWS::CloudWatch::Alarm").into_iter().map(|(name, _)| name).collect();
    let stands_for = |name: &str, alarm: &str| match name.strip_prefix('…') {
        Some(end) => alarm.ends_with(end),
        None => alarm == name,
    };
    for alarm in &alarms {
        assert!(listed.iter().any(|name| stands_for(name, alarm)), "{alarm} is not in the guide");
    }
    for name in &listed {
        assert!(alarms.iter().any(|alarm| stands_for(name, alarm)), "there is no {name}");
    }
}

#[test]
fn the_row_that_stops_each_part_waits_for_the_alarms_that_the_guide_names() {
    let row = std::fs::read_to_string(root().join("tests/chaos/src/rows/watched.rs")).unwrap();
    let waited: BTreeSet<String> = row
        .split("alarm: \"")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0.to_owned())
        .collect();
    let guide = guide();
    let rows = table(&guide, "| away |");
    let named: BTreeSet<String> = rows.iter().filter_map(|row| names(&row[2]).next()).collect();
    assert_eq!(waited, named);
    assert_eq!(rows.len(), named.len());
}

#[test]
fn the_cost_counts_every_alarm_and_every_metric() {
    let document = document();
    let mut alarmed = 0;
    for (_, alarm) in resources(&document, "AWS::CloudWatch::Alarm") {
        let queries = alarm["Properties"]["Metrics"].as_array();
        alarmed += queries.map_or(1, |queries| {
            queries.iter().filter(|query| query.get("MetricStat").is_some()).count()
        });
    }
    let body = &document["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let ours = body.as_str().unwrap().matches("[\"OrderService\"").count();
    let cost = format!("{ours} × 0.30 + {alarmed} × 0.10 + 3");
    assert!(guide().contains(&cost), "the guide's cost of metrics and alarms must be: {cost}");
}
