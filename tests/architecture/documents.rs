//! The documents tell the truth about routes and problems, and lead to what is there.

use std::collections::BTreeSet;

use harness::template::Route;
use web::ProblemKind;

use crate::root;
use crate::template::template;

fn read(document: &str) -> String {
    std::fs::read_to_string(root().join(document)).unwrap()
}

/// HEAD goes without saying where GET is.
fn is_documented(route: &Route) -> bool {
    route.path != "$default" && route.method != "HEAD"
}

/// The rows of the table with this head, by their cells.
fn rows(document: &str, head: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let table = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_problem_is_documented_with_its_status() {
    let documented: BTreeSet<_> = rows("docs/api.md", "| type |")
        .into_iter()
        .map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2].clone()))
        .collect();
    let told = ProblemKind::ALL.map(|kind| (kind.slug().to_owned(), kind.status().as_str().into()));
    assert_eq!(documented, BTreeSet::from(told));
}

#[test]
fn every_route_is_documented_with_its_function() {
    let mut documented = BTreeSet::new();
    for cells in rows("docs/api.md", "| route |") {
        // "`GET`, `DELETE /v1/users/me`": methods, the last of them with the path.
        let mut methods: Vec<_> = cells[1].split(", ").map(|part| part.trim_matches('`')).collect();
        let Some((last, path)) = methods.pop().unwrap().split_once(" /") else { continue };
        let path = path.split('?').next().unwrap();
        for method in methods.into_iter().chain([last]) {
            documented.insert((format!("{method} /{path}"), cells[2].clone()));
        }
    }
    let mut routes = BTreeSet::new();
    for function in template().functions {
        for route in function.routes.iter().filter(|route| is_documented(route)) {
            routes.insert((format!("{} {}", route.method, route.path), function.name.clone()));
        }
    }
    let undocumented: Vec<_> = routes.difference(&documented).collect();
    assert!(undocumented.is_empty(), "docs/api.md lacks {undocumented:?}");
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let guides = std::fs::read_dir(root().join("docs")).unwrap();
    let guides = guides.map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let guides = guides.filter(|name| name.ends_with(".md"));
    let others = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    for document in others.map(str::to_owned).into_iter().chain(guides) {
        let text = read(&document);
        let folder = root().join(&document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            let is_ours = !file.is_empty() && !file.contains("://");
            assert!(!is_ours || folder.join(file).exists(), "{document} leads to {link}");
        }
    }
}

/// A request of `http/orders.http` for each route of the API.
#[test]
fn every_route_has_a_request() {
    let requests: BTreeSet<String> = read("http/orders.http")
        .lines()
        .filter_map(|line| line.split_once(" {{api}}"))
        .map(|(method, path)| format!("{method} {}", path.replace("{{orderId}}", "{order_id}")))
        .collect();
    for function in template().functions {
        for route in function.routes.iter().filter(|route| is_documented(route)) {
            let route = format!("{} {}", route.method, route.path);
            assert!(requests.contains(&route), "http/orders.http lacks {route}");
        }
    }
}
