//! The developer's commands, run as a developer runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use futures::future::join_all;
use harness::provision::{DEMO_EMAIL, DEMO_PASSWORD};
use harness::system::SystemOptions;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::app::{eventually, root, text, with_own};

/// Every port of `up` with port 0, a free one.
const PORTS: [(&str, &str); 4] =
    [("--port", "0"), ("--table-port", "0"), ("--namesrv-port", "0"), ("--broker-port", "0")];

/// For `up` from its start to `ready`, and for a command, on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

fn program() -> PathBuf {
    SystemOptions::isolated(&root()).unwrap().binaries.join("xtask")
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).kill_on_drop(true).stdin(Stdio::null());
    command
}

async fn output(command: &mut Command) -> Output {
    tokio::time::timeout(LIMIT, command.output()).await.unwrap().unwrap()
}

/// The command must succeed. Returns its output.
async fn run(arguments: &[&str]) -> String {
    let ended = output(&mut command(&program(), arguments)).await;
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(ended.stdout).unwrap()
}

/// The output of an `up` that refuses to start. All ports are free except those in `arguments`.
/// `PATH` contains only `programs`, without Cargo, so nothing can be built.
async fn refusal(program: &Path, arguments: &[&str], programs: &Programs) -> String {
    let mut up = command(program, &["up"]);
    up.env("PATH", programs.0.path()).env("CARGO", "/nowhere/cargo");
    for (option, port) in PORTS {
        if !arguments.contains(&option) {
            up.args([option, port]);
        }
    }
    let ended = output(up.args(arguments)).await;
    assert!(!ended.status.success());
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "");
    String::from_utf8(ended.stderr).unwrap()
}

/// A folder for `PATH` with links to this machine's programs, and a test's own scripts.
struct Programs(TempDir);

impl Programs {
    fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_link(self, name: &str) -> Self {
        let found = std::process::Command::new("sh")
            .args(["-c", &format!("command -v {name}")])
            .output()
            .unwrap();
        let path = String::from_utf8(found.stdout).unwrap();
        symlink(path.trim(), self.0.path().join(name)).unwrap();
        self
    }

    fn with_script(self, name: &str, script: &str) -> Self {
        let path = self.0.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }
}

#[test]
fn up_names_a_missing_prerequisite_and_the_command_that_installs_it() {
    with_own(async || {
        // No jars are cached beside this copy of the program.
        let target = program().parent().unwrap().parent().unwrap().to_owned();
        let fresh = tempfile::Builder::new().prefix("fresh-").tempdir_in(target).unwrap();
        let fresh_program = fresh.path().join("debug/xtask");
        std::fs::create_dir(fresh_program.parent().unwrap()).unwrap();
        std::fs::hard_link(program(), &fresh_program).unwrap();

        let refused = async |programs| refusal(&fresh_program, &[], &programs).await;
        let printed = refused(Programs::none()).await;
        assert!(printed.contains("`apt-get install openjdk-17-jre-headless`"), "{printed}");

        let old = "echo 'java version \"1.8.0_292\"' >&2";
        let printed = refused(Programs::none().with_script("java", old)).await;
        assert!(
            printed.contains("Java 11 or later is needed") && printed.contains("1.8.0"),
            "{printed}"
        );

        let printed = refused(Programs::none().with_link("java")).await;
        assert!(printed.contains("there is no `mvn`"), "{printed}");
        assert!(printed.contains("`apt-get install maven`"), "{printed}");

        let broken = "echo 'JAVA_HOME is not defined correctly' >&2; exit 1";
        let programs = Programs::none().with_link("java").with_script("mvn", broken);
        let printed = refused(programs).await;
        assert!(!printed.contains("there is no `mvn`"), "{printed}");
        assert!(printed.contains("JAVA_HOME is not defined correctly"), "{printed}");
    });
}

#[test]
fn up_names_a_taken_port_and_the_command_that_avoids_it_before_it_builds() {
    with_own(async || {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        for (option, given) in [
            ("--port", port),
            ("--table-port", port),
            ("--namesrv-port", port),
            ("--broker-port", port),
            // The broker also uses the port that is two below its own.
            ("--broker-port", port + 2),
        ] {
            let arguments = [option, &given.to_string()];
            let printed = refusal(&program(), &arguments, &Programs::none()).await;
            assert!(printed.contains(&format!("port {port} is taken")), "{printed}");
            assert!(printed.contains(&format!("`cargo xtask up {option} ")), "{printed}");
        }
    });
}

struct Up {
    process: Child,
    /// The printed addresses of `api`, `rocketmq`, `dynamodb` and `console`.
    served: BTreeMap<String, String>,
    data: TempDir,
}

impl Up {
    async fn start(data: TempDir, more: &[&str]) -> Self {
        let errors = File::create(data.path().join("errors")).unwrap();
        let mut command = command(&program(), &["up", "--data"]);
        command.arg(data.path()).args(more).stdout(Stdio::piped()).stderr(errors);
        for (option, port) in PORTS {
            command.args([option, port]);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                printed.push(line);
                if printed.last().is_some_and(|line| line == "ready") {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(LIMIT, ready).await.is_ok();
        let errors = std::fs::read_to_string(data.path().join("errors")).unwrap();
        let names: Vec<_> = printed.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert!(in_time, "{errors}");
        assert_eq!(names, ["api", "rocketmq", "dynamodb", "console", "mails", "ready"], "{errors}");
        let served = printed.iter().filter_map(|line| line.split_once(' '));
        let served =
            served.map(|(name, address)| (name.to_owned(), address.trim().to_owned())).collect();
        Self { process, served, data }
    }

    fn address(&self, name: &str) -> &str {
        &self.served[name]
    }

    /// `up` and all its descendants.
    fn processes(&self) -> BTreeSet<u32> {
        let mut parents = BTreeMap::new();
        for entry in std::fs::read_dir("/proc").unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
            if let (Ok(pid), Some(parent)) = (name.parse::<u32>(), parent) {
                parents.insert(pid, parent.parse::<u32>().unwrap());
            }
        }
        let mut found = BTreeSet::from([self.process.id().unwrap()]);
        loop {
            let children = parents.iter().filter(|(_, parent)| found.contains(parent));
            let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
            let before = found.len();
            found.extend(children);
            if found.len() == before {
                return found;
            }
        }
    }

    async fn end(mut self, signal: &str) -> TempDir {
        let processes = self.processes();
        // At least two Java virtual machines and some functions.
        assert!(processes.len() > 4, "{processes:?}");
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
        let ended = tokio::time::timeout(LIMIT, self.process.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "{ended}");
        eventually("no process is left behind", async || {
            let is_there = |pid: &&u32| Path::new(&format!("/proc/{pid}")).exists();
            processes.iter().find(is_there).is_none().then_some(())
        })
        .await;
        self.data
    }
}

/// Runs the script of the README's first order, unchanged except for the address, and returns the
/// order.
async fn first_order(api: &str) -> Value {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## The first order\n").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (script, _) = block.split_once("```").unwrap();
    assert!(script.contains("http://127.0.0.1:8000"), "{script}");
    let script = script.replace("http://127.0.0.1:8000", api);
    let ended = output(&mut command(Path::new("sh"), &["-eu", "-c", &script])).await;
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let printed = String::from_utf8(ended.stdout).unwrap();
    serde_json::from_str(printed.lines().last().unwrap()).unwrap()
}

/// The samples of events/ that do not affect each other, by file name, with the status of each
/// answer. The samples of get-order and cancel-order name an order that does not exist.
const SAMPLES: [(&str, Option<u64>); 21] = [
    // `invoke` serves no documentation.
    ("api-docs", Some(404)),
    ("api-docs-file", Some(404)),
    ("create-order", Some(201)),
    ("event-consumer", None),
    ("get-order", Some(404)),
    ("get-order-list", Some(200)),
    ("get-order-products", Some(200)),
    ("cancel-order", Some(404)),
    ("health", Some(200)),
    ("health-default", Some(404)),
    ("health-ready", Some(200)),
    ("register-user", Some(201)),
    ("transaction-check", None),
    ("user-account", Some(200)),
    ("user-account-activity", Some(200)),
    ("user-account-public-keys", Some(200)),
    // `invoke` gives no sender of mails.
    ("user-account-ask-to-reset", Some(501)),
    ("user-account-confirm-email", Some(501)),
    ("user-account-email", Some(501)),
    ("user-account-email-confirmation", Some(501)),
    ("user-account-reset", Some(501)),
];

/// The samples that log in, start or end sessions, or delete the account, in an order in which each
/// succeeds.
const SAMPLES_IN_TURN: [(&str, u64); 6] = [
    ("user-login", 200),
    ("user-login-token", 200),
    ("user-login-logout", 204),
    ("user-login", 200),
    ("user-account-password", 204),
    ("user-account-delete", 204),
];

/// Sends a sample with these tokens to its function, and returns the answer.
async fn invoke(up: &Up, sample: &str, access_token: &str, refresh_token: &str) -> Value {
    let functions = std::fs::read_dir(root().join("functions")).unwrap();
    let functions = functions.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let function = functions.filter(|name| sample.starts_with(name)).max().unwrap();
    let text = std::fs::read_to_string(root().join(format!("events/{sample}.json"))).unwrap();
    let file = up.data.path().join(format!("{sample}.json"));
    let mut text = text.replace("PASTE-A-REFRESH-TOKEN", refresh_token);
    if sample == "user-account-delete" {
        // The sample before it has changed the password.
        text = text.replace(DEMO_PASSWORD, "another-horse-battery-staple");
    }
    std::fs::write(&file, text).unwrap();
    let mut command = command(&program(), &["invoke", &function]);
    command.arg(&file).args(["--token", access_token]);
    command.args(["--namesrv", up.address("rocketmq"), "--table", up.address("dynamodb")]);
    command.env("SIGNING_KEY_FILE", up.data.path().join("signing-key.json"));
    let ended = output(&mut command).await;
    assert!(ended.status.success(), "{sample}: {}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// Asserts that each sample of events/ is in one of the two lists.
async fn invoke_all(up: &Up, access_token: &str) {
    let mut samples: BTreeSet<_> = SAMPLES.iter().map(|(sample, _)| *sample).collect();
    samples.extend(SAMPLES_IN_TURN.iter().map(|(sample, _)| *sample));
    let files = std::fs::read_dir(root().join("events")).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files.map(|name| name.trim_end_matches(".json").to_owned()).collect();
    assert_eq!(files, samples.into_iter().map(str::to_owned).collect());

    let answers = join_all(SAMPLES.map(|(sample, _)| invoke(up, sample, access_token, ""))).await;
    for ((sample, status), answer) in SAMPLES.iter().zip(&answers) {
        assert_eq!(answer["statusCode"], json!(status), "{sample}: {answer}");
        match *sample {
            "event-consumer" => assert!(answer["handled"].is_u64(), "{answer}"),
            "transaction-check" => assert!(answer["committed"].is_u64(), "{answer}"),
            _ => {}
        }
    }
    let (mut access_token, mut refresh_token) = (access_token.to_owned(), String::new());
    for (sample, status) in SAMPLES_IN_TURN {
        let answer = invoke(up, sample, &access_token, &refresh_token).await;
        assert_eq!(answer["statusCode"], status, "{sample}: {answer}");
        if status == 200 {
            let tokens: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            access_token = text(&tokens["access_token"]);
            refresh_token = text(&tokens["refresh_token"]);
        }
    }
}

/// The pages whose addresses are printed, and those that they lead to.
async fn assert_pages(up: &Up) {
    let api = up.address("api");
    let [start, docs] = ["/", "/docs"].map(|path| format!("{api}{path}"));
    for page in [start.as_str(), docs.as_str(), up.address("console"), up.address("mails")] {
        let answer = reqwest::get(page).await.unwrap();
        assert_eq!(answer.status(), 200, "{page}");
        let content_type = answer.headers()["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/html"), "{page}: {content_type}");
    }
}

#[test]
fn up_keeps_its_data_and_commands_work_on_its_parts_until_a_signal() {
    with_own(async || {
        let up = Up::start(tempfile::tempdir().unwrap(), &[]).await;
        let order = first_order(up.address("api")).await;
        assert_eq!(order["status"], "CONFIRMED");
        assert_pages(&up).await;
        let data = up.end("-INT").await;

        // The folder keeps everything, including the signing key.
        let up = Up::start(data, &["--no-freeze"]).await;
        let (api, client) = (up.address("api"), Client::new());

        let login = json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD});
        let tokens = client.post(format!("{api}/v1/users/login")).json(&login).send().await;
        let tokens: Value = tokens.unwrap().json().await.unwrap();
        let token = text(&tokens["access_token"]);
        let path = format!("{api}/v1/orders/{}", order["order_id"].as_str().unwrap());
        let kept: Value =
            client.get(path).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        assert_eq!(kept["history"], order["history"]);

        let products = up.data.path().join("products.json");
        let product = json!([{"product_id": 4711, "name": "New", "unit_price": 5, "stock": 1}]);
        std::fs::write(&products, product.to_string()).unwrap();
        let file = products.to_str().unwrap();
        let table = ["--table", up.address("dynamodb")];
        let products = async |command: &[&str]| {
            run(&[&["ops", "products"], command, table.as_slice()].concat()).await
        };
        let new = products(&["import", file]).await;
        assert!(new.starts_with("1 products are new"), "{new}");
        products(&["set-price", "4711", "7"]).await;
        products(&["add-stock", "4711", "2"]).await;
        // Another import keeps the stock. Only a confirmed import overwrites it.
        products(&["import", file]).await;
        let overwrite = ["ops", "products", "import", file, "--overwrite-stock"];
        let refused = [overwrite.as_slice(), &table].concat();
        let refused = output(&mut command(&program(), &refused)).await;
        assert_eq!(refused.status.code(), Some(2));
        let listed: Value = serde_json::from_str(&products(&["list", "--json"]).await).unwrap();
        let listed = listed.as_array().unwrap().iter();
        let listed: Vec<_> = listed.filter(|product| product["product_id"] == 4711).collect();
        assert_eq!((&listed[0]["stock"], &listed[0]["unit_price"]), (&json!(3), &json!(5)));
        let order = json!({"items": [{"product_id": 4711, "quantity": 1}]});
        let order = client.post(format!("{api}/v1/orders")).bearer_auth(&token).json(&order);
        assert_eq!(order.send().await.unwrap().status(), 201);

        let create = ["ops", "topics", "create", "--namesrv", up.address("rocketmq")];
        let names = ["--group-prefix", "more-", "--topic", "MORE", "--user-topic", "MORE_USERS"];
        let create = [create.as_slice(), &names].concat();
        let made = run(&create).await;
        assert!(made.contains("MORE_USERS") && made.contains("MORE_DLQ"), "{made}");
        // Existing topics are kept.
        run(&create).await;
        let group =
            ["ops", "groups", "create", "another-team", "--namesrv", up.address("rocketmq")];
        let made = run(&group).await;
        assert!(made.contains("group another-team on "), "{made}");

        invoke_all(&up, &token).await;
        up.end("-TERM").await;
    });
}
