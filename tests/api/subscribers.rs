//! The subscribers of other teams in `examples/`, with the clients of their languages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use harness::broker::RocketmqProxy;
use harness::provision::rocketmq_config;
use local_lambda::{Child, Children, Signal};
use rocketmq::admin::create_group;
use rocketmq::config::GroupName;
use serde_json::Value;
use tokio::process::Command;

use crate::app::{App, eventually, options, root, text, with_own};

/// How many orders are created. Each has two changes.
const ORDERS: usize = 5;

/// How long a program may take to end.
const END_LIMIT: Duration = Duration::from_secs(15);

/// How long the brokers may take to make a group.
const GROUP_LIMIT: Duration = Duration::from_secs(30);

/// Runs a command to its end, which must be a success.
pub(crate) async fn run(program: &str, arguments: &[&str], folder: &Path) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
}

/// A copy of an example's folder below the target folder, in which its dependencies are installed.
pub(crate) fn copy_of(language: &str) -> PathBuf {
    let copy = options().target.join("examples").join(language);
    std::fs::create_dir_all(&copy).unwrap();
    for entry in std::fs::read_dir(root().join("examples").join(language)).unwrap() {
        let file = entry.unwrap().path();
        // Folders are what the READMEs' commands install.
        if file.is_file() {
            std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }
    copy
}

async fn python(endpoint: &str) -> Command {
    let folder = copy_of("python");
    run("python3", &["-m", "venv", "venv"], &folder).await;
    let install = ["install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"];
    run("venv/bin/pip", &install, &folder).await;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg(folder.join("subscriber.py")).arg(endpoint);
    command
}

async fn node(endpoint: &str) -> Command {
    let folder = copy_of("node");
    run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], &folder).await;
    let mut command = Command::new("node");
    command.arg(folder.join("subscriber.mjs")).arg(endpoint);
    command
}

async fn java(namesrv: &str) -> Command {
    let folder = copy_of("java");
    let goal = "dependency:copy-dependencies";
    let into = "-DoutputDirectory=target/jars";
    run("mvn", &["-q", "-B", goal, "-DincludeScope=runtime", into], &folder).await;
    let mut command = Command::new("java");
    let jars = format!("{}/target/jars/*", folder.display());
    command.args(["-Xmx128m", "-cp", &jars]).arg(folder.join("Subscriber.java")).arg(namesrv);
    command
}

/// It is built where it is, because it depends on `contracts` by its path. In the target folder are
/// the client and most of what it needs, compiled with the settings of this workspace.
async fn rust(namesrv: &str) -> Command {
    let (root, target) = (root(), options().target);
    let manifest = root.join("examples/rust/Cargo.toml");
    let build = [
        "build",
        "--quiet",
        "--locked",
        "--config",
        "profile.dev.package.\"*\".debug=false",
        "--manifest-path",
        manifest.to_str().unwrap(),
        "--target-dir",
        target.to_str().unwrap(),
    ];
    run("cargo", &build, &root).await;
    let mut command = Command::new(target.join("debug/subscriber"));
    command.arg(namesrv);
    command
}

/// A running subscriber.
struct Subscriber {
    language: &'static str,
    process: Child,
    output: PathBuf,
}

impl Subscriber {
    fn start(
        language: &'static str,
        mut command: Command,
        topic: &str,
        data: &Path,
        children: &Children,
    ) -> Self {
        let output = data.join(format!("{language}.out"));
        command
            .args([topic, &format!("team-{language}")])
            .arg(data.join(format!("{language}.jsonl")))
            // The clients write logs below it; Java asks the system and not this variable.
            .env("HOME", data)
            .env("JAVA_TOOL_OPTIONS", format!("-Duser.home={}", data.display()))
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(data.join(format!("{language}.err"))).unwrap());
        Self { language, process: children.spawn(&mut command).unwrap(), output }
    }

    fn lines(&self) -> Vec<Value> {
        let printed = std::fs::read_to_string(&self.output).unwrap();
        let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until it has printed so many lines, and returns them.
    async fn printed(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{} prints {count} changes", self.language), async || {
            let lines = self.lines();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }
}

/// Publishes every event of these orders once more.
async fn publish_again(app: &App, order_ids: &[String]) {
    for order_id in order_ids {
        let replay = ["events", "replay", "--order", order_id, "--user", "123"];
        let replayed = app.ops_on_cluster(&replay).await;
        assert!(replayed.status.success(), "{replayed:?}");
    }
}

#[test]
#[ignore = "it installs and builds four clients: `cargo xtask verify --full` runs it"]
fn subscribers_of_other_teams_print_each_change_once() {
    with_own(async || {
        let app = App::start(options()).await;
        let endpoints = &app.system.endpoints;
        let config = rocketmq_config(endpoints, &app.system.names).unwrap();
        for language in ["python", "node", "java", "rust"] {
            let group = GroupName::parse(&format!("team-{language}")).unwrap();
            create_group(config.clone(), &group, GROUP_LIMIT).await.unwrap();
        }
        let data = tempfile::tempdir().unwrap();
        let children = Children::new().unwrap();
        let target = options().target;
        let namesrv = &endpoints.namesrv;
        let proxy =
            RocketmqProxy::start(namesrv, 0, data.path(), &target, &children).await.unwrap();
        let grpc = proxy.grpc();
        let topic = &app.system.names.topic;
        let commands = [
            ("python", python(&grpc).await),
            ("node", node(&grpc).await),
            ("java", java(namesrv).await),
            ("rust", rust(namesrv).await),
        ];
        let subscribers = commands.map(|(language, command)| {
            Subscriber::start(language, command, topic, data.path(), &children)
        });

        let mut order_ids = Vec::new();
        for _ in 0..ORDERS {
            order_ids.push(app.create_order(1, 1).await);
        }
        for order_id in &order_ids {
            app.wait_for_status(order_id, "CONFIRMED").await;
        }
        for subscriber in &subscribers {
            subscriber.printed(2 * ORDERS).await;
        }
        // Every event once more, and changes that are new.
        publish_again(&app, &order_ids).await;
        order_ids.push(app.create_order(1, 1).await);
        app.wait_for_status(&order_ids[ORDERS], "CONFIRMED").await;
        for mut subscriber in subscribers {
            let lines = subscriber.printed(2 * (ORDERS + 1)).await;
            check(subscriber.language, &lines, &order_ids);
            subscriber.process.signal(Signal::SIGTERM);
            let ended = tokio::time::timeout(END_LIMIT, subscriber.process.wait()).await;
            let code = ended.unwrap().unwrap().code();
            let orderly = if subscriber.language == "java" { 143 } else { 0 };
            assert_eq!(code, Some(orderly), "{}", subscriber.language);
            check(subscriber.language, &subscriber.lines(), &order_ids);
        }
        proxy.kill().await;
    });
}

/// Each change is printed once, and the last history of each order has both in their order.
fn check(language: &str, lines: &[Value], order_ids: &[String]) {
    let ids: BTreeSet<&str> = lines.iter().map(|line| line["event_id"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), ids.len()), (2 * order_ids.len(), lines.len()), "{language}");
    let mut histories: BTreeMap<&str, &Value> = BTreeMap::new();
    for line in lines {
        histories.insert(line["order_id"].as_str().unwrap(), &line["history"]);
    }
    for order_id in order_ids {
        let history = histories[order_id.as_str()].as_array().unwrap();
        let statuses: Vec<_> = history.iter().map(text).collect();
        assert_eq!(statuses, ["CREATED", "CONFIRMED"], "{language}");
    }
}
