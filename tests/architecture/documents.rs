//! The documents list every route and problem, and their links lead to what exists.

use std::collections::BTreeSet;

use local_lambda::Route;
use web::ProblemKind;

use crate::template::template;
use crate::{code, root};

fn read(document: &str) -> String {
    std::fs::read_to_string(root().join(document)).unwrap()
}

fn documents_in(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let documents = names.filter(|name| name.ends_with(".md"));
    let mut documents: Vec<_> = documents.map(|name| format!("{folder}/{name}")).collect();
    documents.sort();
    documents
}

/// HEAD is not documented: every path with GET has it.
fn is_documented(route: &Route) -> bool {
    // The pages of api-docs describe the API, and are not a part of it.
    route.path != "$default" && route.method != "HEAD" && !route.path.starts_with("/docs")
}

/// The cells of the table with this head, row by row.
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
    let kinds =
        ProblemKind::ALL.map(|kind| (kind.slug().to_owned(), kind.status().as_str().into()));
    assert_eq!(documented, BTreeSet::from(kinds));
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
fn the_openapi_document_has_exactly_the_routes_of_the_template() {
    let document = local_lambda::yaml_document(&root().join("docs/openapi.yaml")).unwrap();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let functions = template().functions;
    let routes = functions.iter().flat_map(|function| &function.routes);
    let routes = routes.filter(|route| is_documented(route));
    let routes: BTreeSet<_> =
        routes.map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented, routes);
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    // Every second part is a block of code, where a `#` begins a comment.
    for line in text.split("```").step_by(2).flat_map(str::lines) {
        let Some(heading) = line.strip_prefix('#') else { continue };
        let heading = heading.trim_start_matches('#').trim();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let lower_case = kept.flat_map(char::to_lowercase);
        anchors.insert(lower_case.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    anchors
}

#[test]
fn an_anchor_is_a_heading_without_its_punctuation() {
    let text = "# Why not …\n```sh\n# a comment\n```\n## `up`, its options (all)\n";
    let expected = ["why-not-", "up-its-options-all"].map(str::to_owned);
    assert_eq!(anchors(text), BTreeSet::from(expected));
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let guides = documents_in("docs").into_iter().chain(documents_in("docs/adr"));
    let others = [
        "README.md",
        "README.zh-CN.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        ".github/pull_request_template.md",
        "examples/README.md",
        "examples/java/README.md",
        "examples/node/README.md",
        "examples/python/README.md",
        "examples/rust/README.md",
        "examples/typescript/README.md",
        "shared/contracts/README.md",
        "shared/infrastructure/dynamodb/README.md",
        "tests/local-lambda/README.md",
        "tests/specifications/asyncapi/README.md",
        "tests/specifications/released/README.md",
    ];
    for document in others.map(str::to_owned).into_iter().chain(guides) {
        let text = read(&document);
        let folder = root().join(&document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { root().join(&document) } else { folder.join(file) };
            assert!(target.exists(), "{document} leads to {link}");
            if !anchor.is_empty() && target.extension().is_some_and(|name| name == "md") {
                let headings = anchors(&std::fs::read_to_string(target).unwrap());
                assert!(headings.contains(anchor), "{document} leads to {link}");
            }
        }
    }
}

#[test]
fn the_architecture_is_read_in_one_sitting() {
    let words = read("ARCHITECTURE.md").split_whitespace().count();
    assert!(words <= 3_300, "ARCHITECTURE.md has {words} words");
}

/// The names of the tests in code.
fn tests_in(code: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, function)) = line.split_once("fn ") {
            if is_test {
                tests.extend(function.split(['(', '<']).next());
            }
            is_test = false;
        }
    }
    tests
}

/// The names in the lists of contracts, each alone on its line. A macro makes a test of each,
/// for each adapter.
fn contracts_in(lists: &str) -> impl Iterator<Item = &str> {
    let is_name = |line: &&str| {
        let is_in_a_name = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
        !line.is_empty() && line.chars().all(is_in_a_name)
    };
    lists.lines().map(str::trim).filter(is_name)
}

#[test]
fn a_function_is_a_test_by_its_attribute() {
    let code = "#[test]\nfn one() {}\nfn two() {}\n#[tokio::test(start_paused = true)]\n\
                async fn three() {}\npub async fn four<T>() {}\n";
    assert_eq!(tests_in(code), BTreeSet::from(["one", "three"]));
    let lists = "($fixture:path) => {\n    aggregates {\n        a_tombstone_is_no_order\n    }\n";
    assert_eq!(contracts_in(lists).collect::<Vec<_>>(), ["a_tombstone_is_no_order"]);
}

#[test]
fn every_invariant_names_a_test_that_keeps_it() {
    let all = ["functions", "shared", "tests", "xtask"].map(code).concat();
    let lists = read("shared/testkit/src/contract.rs");
    let mut known = tests_in(&all);
    known.extend(contracts_in(&lists));
    let mut invariants = 0;
    for line in read("ARCHITECTURE.md").lines() {
        let Some(invariant) = line.strip_prefix("**Architecture Invariant:** ") else { continue };
        invariants += 1;
        let (_, kept) = invariant.split_once("Kept by ").unwrap_or_default();
        // Names are in backticks: every second part. A file's name has a dot.
        let names = kept.split('`').skip(1).step_by(2);
        let tests: Vec<_> = names.filter(|name| !name.contains('.')).collect();
        assert!(!tests.is_empty(), "no test keeps that {invariant}");
        for test in tests {
            assert!(known.contains(test), "there is no test {test}");
        }
    }
    assert!(invariants > 0);
}

#[test]
fn decisions_have_numbers_without_gaps_a_status_and_a_date() {
    let list = read("docs/adr/README.md");
    let mut decisions = documents_in("docs/adr");
    decisions.retain(|document| !document.ends_with("/README.md"));
    for (number, document) in (1..).zip(decisions) {
        let text = read(&document);
        let [title, "", status, date, ..] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{document} does not begin with title, status and date");
        };
        let name = document.trim_start_matches("docs/adr/");
        assert!(name.starts_with(&format!("{number:04}-")), "{name} is not number {number:04}");
        let title = title.strip_prefix(&format!("# {number:04} ")).unwrap_or_default();
        assert!(!title.is_empty(), "{name} has no title with its number");
        let status = status.strip_prefix("- **Status**: ").unwrap_or_default();
        let is_status = status.starts_with("accepted") || status.starts_with("superseded by ");
        assert!(is_status, "{name} has no status");
        let date = date.strip_prefix("- **Date**: ").unwrap_or_default();
        assert!(is_date(date), "{name} has no date");
        let row = format!("| [{number:04}]({name}) | {title} | {status} | {date} |");
        assert!(list.contains(&row), "docs/adr/README.md lacks {row}");
    }
}

fn is_date(text: &str) -> bool {
    let is_made_of_digits = text.chars().all(|c| c == '-' || c.is_ascii_digit());
    is_made_of_digits && text.split('-').map(str::len).eq([4, 2, 2])
}

/// The fields of structs that are stored as attributes. A flattened struct contributes its own
/// fields.
fn fields(code: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let mut is_flattened = false;
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let item = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        if !item.starts_with("struct ") || !line.ends_with('{') {
            continue;
        }
        for line in lines.by_ref().take_while(|line| *line != "}") {
            let field =
                line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            match field.split_once(": ") {
                Some((name, _)) if !field.starts_with('#') => {
                    if !is_flattened {
                        fields.insert(name.to_owned());
                    }
                    is_flattened = false;
                }
                _ => is_flattened |= field.contains("flatten"),
            }
        }
    }
    fields
}

#[test]
fn every_attribute_of_an_item_is_documented() {
    let crate_folder = "shared/infrastructure/dynamodb";
    let documented = read(&format!("{crate_folder}/README.md"));
    let attributes = fields(&code(&format!("{crate_folder}/src/records")));
    assert!(attributes.contains("unit_price") && attributes.len() > 40, "{attributes:?}");
    let missing: Vec<_> =
        attributes.iter().filter(|name| !documented.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{crate_folder}/README.md lacks {missing:?}");
}

/// `http/orders.http` has a request for each route of the API.
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
