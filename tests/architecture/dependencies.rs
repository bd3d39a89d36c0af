//! Dependencies point inwards.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::root;

/// Where a member of the workspace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Domain,
    Contracts,
    Application,
    Infrastructure,
    Web,
    Testkit,
    Functions,
    /// tests/ and xtask stand outside the rule.
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
        other => panic!("the house has no room for {other:?}"),
    }
}

/// The layers that a layer's crates may depend on.
fn allowed(layer: Layer) -> &'static [Layer] {
    use Layer::{Application, Contracts, Domain, Functions, Infrastructure, Outside, Testkit, Web};
    match layer {
        Domain | Contracts => &[],
        Application => &[Domain, Contracts],
        // Adapters share the settings of `platform`, which is one of them.
        Infrastructure => &[Domain, Contracts, Application, Infrastructure],
        Web | Testkit => &[Domain, Contracts, Application],
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
        // What only a crate's own tests use doesn't end up in a function.
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
fn adapters_know_of_no_other_adapter_but_the_platform() {
    let metadata = metadata();
    let adapters: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .filter(|package| layer(package) == Layer::Infrastructure)
        .map(|package| package.name.to_string())
        .collect();
    for package in metadata.workspace_packages() {
        if layer(package) != Layer::Infrastructure {
            continue;
        }
        for dependency in &package.dependencies {
            let sibling = adapters.contains(&dependency.name) && dependency.name != "platform";
            assert!(!sibling, "{} -> {}", package.name, dependency.name);
        }
    }
}

#[test]
fn each_technology_is_named_in_one_place() {
    let metadata = metadata();
    let owners: [(&str, &[&str]); 4] = [
        ("aws-", &["dynamodb", "secretsmanager"]),
        ("rocketmq-", &["rocketmq"]),
        (
            "lambda_http",
            &[
                "web",
                "create-order",
                "get-order",
                "register-user",
                "user-login",
                "user-account",
                "health",
            ],
        ),
        ("jsonwebtoken", &["security"]),
    ];
    for package in metadata.workspace_packages() {
        if layer(package) == Layer::Outside {
            continue;
        }
        for dependency in &package.dependencies {
            for (prefix, owners) in owners {
                let named = dependency.name.starts_with(prefix);
                let owner = owners.contains(&package.name.as_str());
                assert!(!named || owner, "{} -> {}", package.name, dependency.name);
            }
        }
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
    let links = |name: &str| {
        let start = metadata.workspace_packages().into_iter().find(|p| p.name == name).unwrap();
        let mut reached = BTreeSet::from([start.id.clone()]);
        let mut open = vec![start.id.clone()];
        while let Some(id) = open.pop() {
            for next in &edges[&id] {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached.iter().any(|id| metadata[id].name.starts_with("rocketmq-client"))
    };
    for name in ["get-order", "register-user", "user-login", "user-account", "health"] {
        assert!(!links(name), "{name}");
    }
    // The search does find it where it is.
    assert!(links("create-order"));
}

#[test]
fn every_crate_keeps_the_rules_of_the_workspace() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.name);
    }
}
