//! The subscribers of other teams in `examples/`, with the clients of their languages.

mod late;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use harness::broker::RocketmqProxy;
use harness::provision::rocketmq_config;
use local_lambda::{Child, Children, Signal};
use rocketmq::admin::create_group;
use rocketmq::config::{GroupName, RocketmqConfig};
use rusqlite::Connection;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::app::{App, eventually, options, root, with_own};

/// How many orders are created.
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

/// Installs what the subscribers need, once for all tests: they run at the same time and in the same
/// folders.
async fn install() {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let all = async || {
        let python = copy_of("python");
        run("python3", &["-m", "venv", "venv"], &python).await;
        let pip = ["install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"];
        run("venv/bin/pip", &pip, &python).await;
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        run("npm", &npm, &copy_of("node")).await;
        let goal = "dependency:copy-dependencies";
        let into = "-DoutputDirectory=target/jars";
        let mvn = ["-q", "-B", goal, "-DincludeScope=runtime", into];
        run("mvn", &mvn, &copy_of("java")).await;
        build().await;
    };
    INSTALLED.get_or_init(all).await;
}

/// The one in Rust is built where it is, because it depends on `contracts` by its path. In the
/// target folder are the client and most of what it needs, compiled with the settings of this
/// workspace.
async fn build() {
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
}

/// The programs by their languages, with the address that each connects to.
fn commands(grpc: &str, namesrv: &str) -> [(&'static str, Command); 4] {
    let target = options().target;
    let copies = target.join("examples");
    let mut python = Command::new(copies.join("python/venv/bin/python"));
    python.arg(copies.join("python/subscriber.py")).arg(grpc);
    let mut node = Command::new("node");
    node.arg(copies.join("node/subscriber.mjs")).arg(grpc);
    let mut java = Command::new("java");
    java.args(["-Xmx128m", "-cp"]).arg(copies.join("java/target/jars/*"));
    java.arg(copies.join("java/Subscriber.java")).arg(namesrv);
    let mut rust = Command::new(target.join("debug/subscriber"));
    rust.arg(namesrv);
    [("python", python), ("node", node), ("java", java), ("rust", rust)]
}

/// A running subscriber.
struct Subscriber {
    language: &'static str,
    command: Command,
    process: Child,
    output: PathBuf,
    errors: PathBuf,
    database: PathBuf,
}

/// A change that a subscriber has stored.
struct Stored {
    order_id: String,
    version: u32,
    handled: bool,
}

impl Subscriber {
    fn start(
        language: &'static str,
        mut command: Command,
        topic: &str,
        data: &Path,
        children: &Children,
    ) -> Self {
        let file = |ending: &str| data.join(format!("{language}.{ending}"));
        let (output, errors, database) = (file("out"), file("err"), file("db"));
        command
            .args([topic, &group(language)])
            .arg(&database)
            // The clients write logs below it; Java asks the system and not this variable.
            .env("HOME", data)
            .env("JAVA_TOOL_OPTIONS", format!("-Duser.home={}", data.display()))
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&errors).unwrap());
        let process = children.spawn(&mut command).unwrap();
        Self { language, command, process, output, errors, database }
    }

    /// Ends it as an operator does.
    async fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        let ended = tokio::time::timeout(END_LIMIT, self.process.wait()).await;
        let status = ended.unwrap().unwrap();
        // Java takes the signal and says so with its status; the others leave it to the system.
        let ended_by_it = status.signal() == Some(15) || status.code() == Some(143);
        assert!(ended_by_it, "{}: {status}", self.language);
    }

    /// Starts it again, with the database that it has. Its output goes on in the same files.
    fn start_again(&mut self, children: &Children) {
        self.process = children.spawn(&mut self.command).unwrap();
    }

    /// The changes that it has printed.
    fn lines(&self) -> Vec<Value> {
        whole_lines(&self.output)
    }

    /// The changes that it has stored, in the order in which they arrived. It must not run, because
    /// a reader could keep it from its next commit.
    fn stored(&self) -> Vec<Stored> {
        let database = Connection::open(&self.database).unwrap();
        let query = "SELECT order_id, aggregate_version, handled FROM changes ORDER BY rowid";
        let mut query = database.prepare(query).unwrap();
        let rows = query.query_map([], |row| {
            Ok(Stored { order_id: row.get(0)?, version: row.get(1)?, handled: row.get(2)? })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// The events of which it says that they wait.
    fn waiting(&self) -> BTreeSet<String> {
        let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let events = errors.lines().filter_map(|line| {
            let event = line.strip_prefix("event ")?;
            event.strip_suffix(" waits for an earlier one of its order")
        });
        events.map(str::to_owned).collect()
    }

    /// Waits until it has printed so many lines, and returns them.
    async fn printed(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{} prints {count} changes", self.language), async || {
            let lines = self.lines();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    /// Waits until so many changes wait in its database.
    async fn waits(&self, count: usize) {
        eventually(&format!("{} holds {count} changes back", self.language), async || {
            (self.waiting().len() >= count).then_some(())
        })
        .await;
    }
}

/// The JSON in the lines of a file, without one that is not written to its end.
fn whole_lines(file: &Path) -> Vec<Value> {
    let written = std::fs::read_to_string(file).unwrap_or_default();
    let whole = written.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn group(language: &str) -> String {
    format!("team-{language}")
}

/// All subscribers of a topic, each in a group of its own, and the proxy that some of them use.
async fn start_all(
    config: &RocketmqConfig,
    namesrv: &str,
    topic: &str,
    data: &Path,
    children: &Children,
) -> (Vec<Subscriber>, RocketmqProxy) {
    install().await;
    let target = options().target;
    let proxy = RocketmqProxy::start(namesrv, 0, data, &target, children).await.unwrap();
    let mut subscribers = Vec::new();
    for (language, command) in commands(&proxy.grpc(), namesrv) {
        let group = GroupName::parse(&group(language)).unwrap();
        create_group(config.clone(), &group, GROUP_LIMIT).await.unwrap();
        subscribers.push(Subscriber::start(language, command, topic, data, children));
    }
    (subscribers, proxy)
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
        let data = tempfile::tempdir().unwrap();
        let children = Children::new().unwrap();
        let topic = &app.system.names.topic;
        let (subscribers, proxy) =
            start_all(&config, &endpoints.namesrv, topic, data.path(), &children).await;

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
            subscriber.printed(2 * (ORDERS + 1)).await;
            subscriber.stop().await;
            check(&subscriber, &["CREATED", "CONFIRMED"], &order_ids);
        }
        proxy.kill().await;
    });
}

/// Each change of these orders was stored, handled and printed once, and printed in the order of
/// its versions.
fn check(subscriber: &Subscriber, statuses: &[&str], order_ids: &[String]) {
    let language = subscriber.language;
    let (lines, stored) = (subscriber.lines(), subscriber.stored());
    for order_id in order_ids {
        let printed = lines.iter().filter(|change| change["order_id"] == **order_id);
        let printed: Vec<_> = printed
            .map(|change| (change["aggregate_version"].as_u64(), change["status"].as_str()))
            .collect();
        let expected: Vec<_> = (1..).map(Some).zip(statuses.iter().copied().map(Some)).collect();
        assert_eq!(printed, expected, "{language}");
        let handled = stored.iter().filter(|change| change.order_id == *order_id && change.handled);
        assert_eq!(handled.count(), statuses.len(), "{language}");
    }
    let ids: BTreeSet<_> = lines.iter().map(|change| change["event_id"].as_str()).collect();
    assert_eq!(ids.len(), stored.len(), "{language}");
}
