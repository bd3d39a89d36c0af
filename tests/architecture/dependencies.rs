//! Dependencies point inwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::root;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Domain,
    Contracts,
    Application,
    Infrastructure,
    Web,
    Testkit,
    Functions,
    /// tests/ and xtask, which may depend on everything.
    Outside,
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap()
}

fn layer(package: &Package) -> Layer {
    let folder = package.manifest_path.strip_prefix(root().to_str().unwrap()).unwrap();
    let parts: Vec<_> = folder.iter().collect();
    match parts.as_slice() {
        ["shared", "domain", ..] => Layer::Domain,
        ["shared", "contracts", ..] => Layer::Contracts,
        ["shared", "application", ..] => Layer::Application,
        ["shared", "infrastructure", ..] => Layer::Infrastructure,
        ["shared", "web", ..] => Layer::Web,
        ["shared", "testkit", ..] => Layer::Testkit,
        ["functions", ..] => Layer::Functions,
        ["tests" | "xtask", ..] => Layer::Outside,
        other => panic!("no layer is defined for {other:?}"),
    }
}

fn allowed(layer: Layer) -> &'static [Layer] {
    use Layer::{Application, Contracts, Domain, Functions, Infrastructure, Outside, Testkit, Web};
    match layer {
        Domain | Contracts => &[],
        Application => &[Domain, Contracts],
        // Adapters and the web share `platform`, which is one of the adapters: the settings of a
        // process, and what Lambda gives it.
        Infrastructure | Web => &[Domain, Contracts, Application, Infrastructure],
        Testkit => &[Domain, Contracts, Application],
        Functions => &[Domain, Contracts, Application, Infrastructure, Web],
        Outside => {
            &[Domain, Contracts, Application, Infrastructure, Web, Testkit, Functions, Outside]
        }
    }
}

#[test]
fn dependencies_point_inwards() {
    let metadata = metadata();
    let members: BTreeMap<_, _> =
        metadata.workspace_packages().iter().map(|p| (p.name.to_string(), layer(p))).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let from = layer(package);
        // A dependency of a crate's own tests doesn't end up in a function.
        let used = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        for dependency in used {
            let Some(to) = members.get(&dependency.name) else { continue };
            if !allowed(from).contains(to) {
                wrong.push(format!("{} ({from:?}) -> {} ({to:?})", package.name, dependency.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn adapters_and_the_web_depend_on_no_adapter_except_the_platform() {
    let metadata = metadata();
    let adapters: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .filter(|package| layer(package) == Layer::Infrastructure)
        .map(|package| package.name.to_string())
        .collect();
    for package in metadata.workspace_packages() {
        if !matches!(layer(package), Layer::Infrastructure | Layer::Web) {
            continue;
        }
        for dependency in &package.dependencies {
            let sibling = adapters.contains(&dependency.name) && dependency.name != "platform";
            assert!(!sibling, "{} -> {}", package.name, dependency.name);
        }
    }
}

/// Those that publish or consume. No other function links the RocketMQ client.
const CLUSTER_FUNCTIONS: [&str; 3] = ["create-order", "event-consumer", "transaction-check"];

fn functions(metadata: &Metadata) -> Vec<&Package> {
    let members = metadata.workspace_packages();
    members.into_iter().filter(|package| layer(package) == Layer::Functions).collect()
}

#[test]
fn each_technology_is_named_in_one_place() {
    let metadata = metadata();
    let owners: [(&str, &[&str]); 3] = [
        ("aws-", &["dynamodb", "mail", "secretsmanager"]),
        ("rocketmq-", &["rocketmq"]),
        ("jsonwebtoken", &["security"]),
    ];
    for package in metadata.workspace_packages() {
        let layer = layer(package);
        if layer == Layer::Outside {
            continue;
        }
        for dependency in &package.dependencies {
            for (prefix, owners) in owners {
                let named = dependency.name.starts_with(prefix);
                let owner = owners.contains(&package.name.as_str());
                assert!(!named || owner, "{} -> {}", package.name, dependency.name);
            }
            let http = dependency.name == "lambda_http";
            assert!(!http || matches!(layer, Layer::Web | Layer::Functions), "{}", package.name);
        }
    }
}

#[test]
fn the_innermost_layers_depend_only_on_the_listed_crates() {
    let metadata = metadata();
    let allowed = |layer| match layer {
        // Errors, identifiers, and one form for the spellings of an e-mail address.
        Layer::Domain => Some(["thiserror", "unicode-normalization", "uuid"].as_slice()),
        // The wire: JSON, times, identifiers, and schemas for generators.
        Layer::Contracts => {
            Some(["schemars", "serde", "serde_json", "thiserror", "time", "uuid"].as_slice())
        }
        // No HTTP, no AWS, no RocketMQ, no Lambda: times, digests, and what serialises an event.
        Layer::Application => Some(
            [
                "contracts",
                "domain",
                "futures",
                "secrecy",
                "serde_json",
                "sha2",
                "subtle",
                "thiserror",
                "tokio",
                "tracing",
                "uuid",
            ]
            .as_slice(),
        ),
        _ => None,
    };
    for package in metadata.workspace_packages() {
        let Some(allowed) = allowed(layer(package)) else { continue };
        let used = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        for dependency in used {
            let name = dependency.name.as_str();
            assert!(allowed.contains(&name), "{} -> {name}", package.name);
        }
    }
}

/// What the standard library offers, so that no dependency shows it.
const OUTSIDE_THE_DOMAIN: [&str; 11] = [
    "async ",
    ".await",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::{",
    "thread",
    "Instant",
    "SystemTime",
];

#[test]
fn the_domain_neither_waits_nor_reads_a_clock_nor_does_io() {
    let code = crate::code("shared/domain/src");
    assert!(!code.is_empty());
    for word in OUTSIDE_THE_DOMAIN {
        assert!(!code.contains(word), "the domain has `{word}`");
    }
}

#[test]
fn functions_that_neither_publish_nor_consume_do_not_link_the_rocketmq_client() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().unwrap();
    let edges: BTreeMap<_, _> = resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
                .map(|dep| dep.pkg.clone());
            (node.id.clone(), normal.collect::<Vec<_>>())
        })
        .collect();
    let links = |function: &Package| {
        let mut reached = BTreeSet::from([function.id.clone()]);
        let mut open = vec![function.id.clone()];
        while let Some(id) = open.pop() {
            for next in &edges[&id] {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached.iter().any(|id| metadata[id].name.starts_with("rocketmq-client"))
    };
    for function in functions(&metadata) {
        let name = function.name.as_str();
        assert_eq!(links(function), CLUSTER_FUNCTIONS.contains(&name), "{name}");
    }
}

#[test]
fn no_function_carries_the_code_that_makes_schemas() {
    // The features of a deployment: those of the default members, which `cargo lambda build`
    // builds.
    let lines = cargo_tree(&["--edges=normal"], "{lib}");
    let linked: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
    assert!(linked.contains("contracts"), "{linked:?}");
    assert!(!linked.contains("schemars"), "{linked:?}");
}

/// `cargo xtask` builds the functions beside itself, and `cargo xtask test` everything. A feature
/// that only one of them selects compiles a crate twice, and all crates that use it.
#[test]
fn no_dependency_of_the_functions_is_compiled_with_two_sets_of_features() {
    let metadata = metadata();
    let functions = functions(&metadata);
    let packages = functions.iter().flat_map(|function| ["--package", function.name.as_str()]);
    let packages: Vec<&str> = packages.chain(["--edges=normal"]).collect();
    let linked: BTreeSet<String> = cargo_tree(&packages, "{p}").into_iter().collect();
    let program = [packages.as_slice(), &["--package", "xtask"]].concat();
    let program = cargo_tree(&program, "{p}\t{f}");
    let workspace = cargo_tree(&["--workspace"], "{p}\t{f}");
    let mut twice: BTreeSet<&String> = program.iter().collect();
    assert!(twice.iter().any(|line| line.starts_with("aws-sdk-dynamodb v")), "{twice:?}");
    twice.retain(|line| {
        let (package, _) = line.split_once('\t').unwrap();
        linked.contains(package) && !workspace.contains(line)
    });
    assert_eq!(twice, BTreeSet::new(), "add what selects the other features to xtask/Cargo.toml");
}

/// The lines of `cargo tree` for a selection, without its mark of what it has printed before.
fn cargo_tree(selection: &[&str], format: &str) -> Vec<String> {
    let mut command = std::process::Command::new(env!("CARGO"));
    command.current_dir(root()).args(["tree", "--locked", "--prefix=none"]);
    let output = command.args(selection).args(["--format", format]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// Other projects can use it, too.
#[test]
fn the_lambda_host_knows_nothing_of_this_project() {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let host = members.iter().find(|package| package.name.as_str() == "local-lambda").unwrap();
    for dependency in &host.dependencies {
        let is_ours = members.iter().any(|package| package.name.as_str() == dependency.name);
        assert!(!is_ours, "local-lambda -> {}", dependency.name);
    }
    let code = crate::code("tests/local-lambda").to_lowercase();
    for word in ["orders", "rocketmq"] {
        assert!(!code.contains(word), "local-lambda names {word}");
    }
}

/// Dependencies that no line of their crate's code names, with the reason.
const UNNAMED: [(&str, &str, &str); 4] = [
    ("xtask", "bytes", "one set of features for every caller of Cargo"),
    ("xtask", "cargo_metadata", "the same"),
    ("xtask", "jsonschema", "the same"),
    ("xtask", "proptest", "the same"),
];

/// Whether code names a library where a path begins, or imports it. A variable or a part of another
/// path may have the same name, such as `time` in `tokio::time`.
fn names(code: &str, library: &str) -> bool {
    code.match_indices(library).any(|(start, _)| {
        let (before, after) = (&code[..start], &code[start + library.len()..]);
        let is_within = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let is_imported = before.ends_with("use ") && after.starts_with([';', ' ']);
        !is_within && (after.starts_with("::") || is_imported)
    })
}

#[test]
fn a_part_of_a_path_is_no_name_of_a_library() {
    for used in ["use time;", "use time as clock;", "use time::Date;", "let day: time::Date = x;"] {
        assert!(names(used, "time"), "{used}");
    }
    for other in ["let time = 1;", "tokio::time::sleep(x)", "runtime::run()", "use times;"] {
        assert!(!names(other, "time"), "{other}");
    }
}

#[test]
fn every_dependency_is_named_in_its_crates_code() {
    let metadata = metadata();
    // The names of libraries, which may differ from their packages' names.
    let renamed: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .flat_map(|package| package.targets.iter().map(move |target| (package, target)))
        .filter(|(_, target)| target.src_path.ends_with("src/lib.rs"))
        .map(|(package, target)| (package.name.to_string(), target.name.clone()))
        .collect();
    let mut unnamed = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let mut code = String::new();
        read_code(package.manifest_path.parent().unwrap().as_std_path(), &mut code);
        for dependency in &package.dependencies {
            let library = renamed.get(&dependency.name).unwrap_or(&dependency.name);
            if !names(&code, &library.replace('-', "_")) {
                unnamed.insert((package.name.to_string(), dependency.name.clone()));
            }
        }
    }
    let expected = UNNAMED.map(|(package, dependency, _)| (package.into(), dependency.into()));
    assert_eq!(unnamed, BTreeSet::from(expected));
}

pub(crate) fn read_code(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_code(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // Only lines of code: a word in a comment is not a use.
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            code.extend(lines.flat_map(|line| [line, "\n"]));
        }
    }
}

#[test]
fn every_dependency_of_the_workspace_is_used_by_a_crate() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, table) = text.split_once("[workspace.dependencies]\n").unwrap();
    let (table, _) = table.split_once("\n[").unwrap();
    let metadata = metadata();
    let used: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let named = table.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let unused: Vec<_> = named.filter(|name| !used.contains(name)).collect();
    assert_eq!(unused, Vec::<&str>::new());
}

/// With their versions.
fn locked(file: &str) -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    let packages = text.split("[[package]]\n").skip(1).map(|package| {
        let value = |name: &str| {
            let mut values = package.lines().filter_map(|line| line.strip_prefix(name));
            values.next().unwrap().trim_matches('"').to_owned()
        };
        (value("name = "), value("version = "))
    });
    packages.collect()
}

/// So `cargo deny` has checked them, and what is compiled here is used again there.
#[test]
fn the_subscriber_in_rust_uses_the_versions_of_the_workspace() {
    let (example, workspace) = (locked("examples/rust/Cargo.lock"), locked("Cargo.lock"));
    let others: Vec<_> = example.difference(&workspace).collect();
    let itself = ("subscriber".to_owned(), "1.0.0".to_owned());
    assert_eq!(others, [&itself], "copy Cargo.lock there, and run `cargo metadata` there");
}

#[test]
fn every_crate_keeps_the_rules_of_the_workspace() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.name);
    }
}
