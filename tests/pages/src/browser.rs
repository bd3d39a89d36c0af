//! A headless Chromium that a test or a command drives, through Debian's `chromedriver` and W3C's
//! `WebDriver` protocol.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::broker::free_port;
use local_lambda::{Child, Children};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// How long the driver and the browser may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long one command of the driver may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(100);

/// Without a sandbox, because root cannot have one: the browser opens only the pages of this run.
const ARGUMENTS: [&str; 6] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// What a page is shown with.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// Whether the reader prefers dark colours.
    pub is_dark: bool,
    /// Whether the reader's own few colours replace the page's, as in a contrast theme.
    pub has_forced_colours: bool,
}

/// Keys without a character, as `WebDriver` names them.
pub mod keys {
    pub const TAB: char = '\u{E004}';
    pub const ENTER: char = '\u{E007}';
    pub const DOWN: char = '\u{E015}';
    pub const PAGE_DOWN: char = '\u{E00F}';
}

/// A browser with one page. It ends when this is dropped.
pub struct Browser {
    session: String,
    client: reqwest::Client,
    _driver: Child,
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Errors
    /// When `chromedriver` or Chromium is missing (the error names Debian's packages), or does not
    /// start.
    pub async fn start(children: &Children) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let driver = children.spawn(&mut command).context(
            "there is no `chromedriver`; on Debian: `apt-get install chromium chromium-driver`",
        )?;
        let client = reqwest::Client::builder().timeout(COMMAND_LIMIT).build()?;
        let base = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + START_LIMIT;
        while client.get(format!("{base}/status")).send().await.is_err() {
            anyhow::ensure!(Instant::now() < deadline, "chromedriver does not answer");
            sleep(POLL).await;
        }
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": ARGUMENTS},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = client.post(format!("{base}/session")).json(&capabilities).send().await?;
        let answer: Value = answer.json().await?;
        let id = answer.pointer("/value/sessionId").and_then(Value::as_str);
        let id = id.with_context(|| format!("Chromium does not start: {answer}"))?;
        Ok(Self { session: format!("{base}/session/{id}"), client, _driver: driver })
    }

    /// Sets the size and the colours that a page is shown with.
    ///
    /// # Errors
    /// When the browser has gone.
    pub async fn show_with(&self, view: View) -> anyhow::Result<()> {
        let View { width, height, is_dark, has_forced_colours } = view;
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        let scheme = if is_dark { "dark" } else { "light" };
        let forced = if has_forced_colours { "active" } else { "none" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "forced-colors", "value": forced},
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await
    }

    /// Opens a page.
    ///
    /// # Errors
    /// When it does not load.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.command("url", json!({ "url": url })).await.map(drop)
    }

    /// Runs a script in the page and returns what it returns.
    ///
    /// # Errors
    /// When it fails.
    pub async fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.command("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until a condition, an expression in JavaScript, is true in the page.
    ///
    /// # Errors
    /// When it is not within `limit`. The error has the page's text.
    pub async fn until(&self, condition: &str, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if self.run(&format!("return Boolean({condition})")).await? == true {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let text = self.run("return document.body.innerText").await?;
                anyhow::bail!(
                    "not within {limit:?}: {condition}\n{}",
                    text.as_str().unwrap_or("?")
                );
            }
            sleep(POLL).await;
        }
    }

    /// Clicks the element that a CSS selector finds, as a mouse would.
    ///
    /// # Errors
    /// When no element matches it, or another element covers the one that does.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.element(selector).await?;
        self.command(&format!("element/{element}/click"), json!({})).await.map(drop)
    }

    /// Presses keys in the page.
    ///
    /// # Errors
    /// When the page has no body.
    pub async fn press(&self, keys: &str) -> anyhow::Result<()> {
        let body = self.element("body").await?;
        self.command(&format!("element/{body}/value"), json!({ "text": keys })).await.map(drop)
    }

    /// Strikes a key where the focus is, as a keyboard would.
    ///
    /// # Errors
    /// When the browser has gone.
    pub async fn strike(&self, key: char) -> anyhow::Result<()> {
        let [down, up] = ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key}));
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": [down, up]});
        self.command("actions", json!({ "actions": [keyboard] })).await.map(drop)
    }

    /// A picture of the page, in PNG.
    ///
    /// # Errors
    /// When the browser has gone.
    pub async fn picture(&self) -> anyhow::Result<Vec<u8>> {
        let answer = self.client.get(format!("{}/screenshot", self.session)).send().await?;
        let picture = value_of(answer).await?;
        Ok(STANDARD.decode(picture.as_str().unwrap_or_default())?)
    }

    /// The lines of the page's console that are errors, such as a breach of its policy. Each is
    /// returned once.
    ///
    /// # Errors
    /// When the browser has gone.
    pub async fn errors(&self) -> anyhow::Result<Vec<String>> {
        let log = self.command("se/log", json!({"type": "browser"})).await?;
        let lines = log.as_array().into_iter().flatten();
        let errors = lines.filter(|line| line.get("level") == Some(&"SEVERE".into()));
        Ok(errors
            .map(|line| line.get("message").and_then(Value::as_str).unwrap_or("?").to_owned())
            .collect())
    }

    /// Ends the browser, and then its driver.
    pub async fn stop(self) {
        // A browser that has gone already needs no end.
        drop(self.client.delete(&self.session).send().await);
    }

    async fn element(&self, selector: &str) -> anyhow::Result<String> {
        let found = self.command("element", json!({"using": "css selector", "value": selector}));
        let found = found.await?;
        let id = found.as_object().and_then(|reference| reference.values().next()?.as_str());
        id.map(ToOwned::to_owned).with_context(|| format!("there is no {selector}"))
    }

    async fn devtools(&self, method: &str, parameters: Value) -> anyhow::Result<()> {
        let command = json!({"cmd": method, "params": parameters});
        self.command("goog/cdp/execute", command).await.map(drop)
    }

    async fn command(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let url = format!("{}/{path}", self.session);
        value_of(self.client.post(url).json(&body).send().await?).await
    }
}

/// The value of an answer.
async fn value_of(answer: reqwest::Response) -> anyhow::Result<Value> {
    let is_success = answer.status().is_success();
    let mut answer: Value = answer.json().await?;
    let value = answer.get_mut("value").map(Value::take).unwrap_or_default();
    anyhow::ensure!(is_success, "the driver refuses a command: {value}");
    Ok(value)
}
