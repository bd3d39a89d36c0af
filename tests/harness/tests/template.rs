//! The project's own template, as the local system reads it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use local_lambda::{DEFAULT_ROUTE, Template};
use proptest::prelude::*;
use proptest::sample::Index;

fn own() -> PathBuf {
    harness::checkout::root().unwrap().join("template.yaml")
}

fn overrides() -> BTreeMap<String, String> {
    BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "127.0.0.1:9876".to_owned())])
}

#[test]
fn the_projects_own_template_resolves() {
    let template = Template::load(&own(), "orders-local", &overrides()).unwrap();
    let create_order = template.function("create-order").unwrap();
    assert_eq!(create_order.routes.len(), 1);
    assert_eq!(
        create_order.environment.get("ROCKETMQ_GROUP_PREFIX").map(String::as_str),
        Some("orders-local-")
    );
    assert!(!create_order.environment.contains_key("ROCKETMQ_SECRET_KEY"));
    let consumer = template.function("event-consumer").unwrap();
    assert_eq!(consumer.schedules.len(), 1);
    let default_routes = template
        .functions
        .iter()
        .flat_map(|function| &function.routes)
        .filter(|route| route.path == DEFAULT_ROUTE);
    assert_eq!(default_routes.count(), 1);
    let indexes = &template.table("OrdersTable").unwrap().indexes;
    let names: Vec<_> = indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(names, ["by_user", "pending"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every mistake leads to an error that describes it.
    #[test]
    fn no_mistake_in_the_projects_own_template_makes_its_reader_panic(
        line in any::<Index>(), at in any::<Index>(), change in 0_u8..4, byte in "\\PC",
    ) {
        let text = std::fs::read_to_string(own()).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let line = line.index(lines.len());
        match change {
            0 => drop(lines.remove(line)),
            1 => lines[line].insert_str(0, "  "),
            2 => lines[line] = lines[line].trim_start().to_owned(),
            _ => {
                let places: Vec<_> = lines[line].char_indices().map(|(place, _)| place).collect();
                if !places.is_empty() {
                    lines[line].replace_range(places[at.index(places.len())].., &byte);
                }
            }
        }
        if let Err(error) = Template::parse(&lines.join("\n"), "orders-local", &overrides()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
