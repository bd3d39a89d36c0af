//! The measured systems: one broker for the whole run, and for each part a system with a new table.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use application::ports::{AccessTokenIssuer, Bearer, Clock, SigningKeySource};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::identity::{SessionId, UserId};
use harness::broker::{self, BrokerTuning, Replication, Rocketmq, RocketmqOptions};
use harness::provision::signing_key_file;
use harness::system::{System, SystemOptions};
use harness::user::User;
use harness::weather::{Weather, WeatherSettings};
use local_lambda::Children;
use platform::clock::SystemClock;
use secrecy::ExposeSecret;
use security::signing_key::{SigningKey, SigningKeyFile};
use security::tokens::Ed25519TokenIssuer;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::table::TableProcess;
use harness::memory;
use harness::progress::Progress;

/// The pause between two looks at the same state.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Dropping it ends everything.
pub(crate) struct Rig {
    root: PathBuf,
    broker: Rocketmq,
    children: Children,
    progress: Progress,
    _data: TempDir,
}

impl Rig {
    pub(crate) async fn start(root: PathBuf, progress: Progress) -> anyhow::Result<Self> {
        broker::check_java().await?;
        let target = SystemOptions::isolated(&root)?.target;
        if !broker::is_fetched(&target) {
            progress.step("downloading Apache RocketMQ");
        }
        let jars = broker::ensure_jars(&target).await?;
        progress.step("starting Apache RocketMQ");
        let children = Children::new().context("/bin/sh cannot be started")?;
        let data = tempfile::Builder::new().prefix("orders-bench-").tempdir()?;
        let options = RocketmqOptions {
            jars,
            data: data.path().to_owned(),
            namesrv_port: 0,
            broker_port: 0,
            tuning: BrokerTuning::LOCAL,
            security: None,
            replication: Replication::None,
        };
        let broker = Rocketmq::start(options, &children).await?;
        Ok(Self { root, broker, children, progress, _data: data })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `host:port`.
    pub(crate) fn broker_address(&self) -> String {
        self.broker.broker()
    }

    pub(crate) fn binary(&self, function: &str) -> anyhow::Result<PathBuf> {
        Ok(SystemOptions::isolated(&self.root)?.binaries.join(function))
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Starts a system on the broker, with a new table and without schedules: functions run only
    /// when a part invokes them.
    pub(crate) async fn site(&self, instances_max: usize) -> anyhow::Result<Site> {
        self.site_in(None, instances_max).await
    }

    /// [`Rig::site`] with weather before the functions' table.
    pub(crate) async fn site_in(
        &self,
        weather: Option<WeatherSettings>,
        instances_max: usize,
    ) -> anyhow::Result<Site> {
        self.progress.step("starting a system with a new table");
        let table = TableProcess::start(&self.children).await?;
        let mut options = SystemOptions::isolated(&self.root)?;
        options.namesrv = Some(self.broker.namesrv());
        options.table = Some(table.url.clone());
        options.schedules = false;
        options.instances_max = instances_max;
        options.weather = weather;
        let progress = self.progress.clone();
        options.progress = Arc::new(move |step| progress.at(step));
        let system = System::start(options).await?;
        let user = User::log_in(&system.api_url, reqwest::Client::new()).await?;
        Ok(Site { system, user: Arc::new(user), _table: table })
    }

    /// Kills the broker, whose data is not needed any more.
    pub(crate) async fn stop(self) {
        self.broker.kill().await;
        self.children.kill_all();
    }
}

/// A running system with the demo user.
pub(crate) struct Site {
    pub(crate) system: System,
    pub(crate) user: Arc<User>,
    _table: TableProcess,
}

impl Site {
    pub(crate) fn weather(&self) -> anyhow::Result<&Weather> {
        self.system.weather.as_deref().context("this system's table has no weather")
    }

    /// Users with these ids, each with a token that is signed with the system's own key. They need
    /// no accounts: the functions trust the token.
    pub(crate) async fn users(
        &self,
        ids: impl Iterator<Item = u64>,
    ) -> anyhow::Result<Vec<Arc<User>>> {
        let file = SigningKeyFile::new(signing_key_file(&self.system.endpoints.data));
        let key = file.read().await?.context("the signing key is missing")?;
        let issuer = Ed25519TokenIssuer::new(SigningKey::parse(&key)?);
        let (api_url, client) = (&self.system.api_url, reqwest::Client::new());
        let mut users = Vec::new();
        for user_id in ids {
            let session_id = SessionId::new(Uuid::from_u128(user_id.into()));
            let bearer = Bearer { user_id: UserId::new(user_id)?, session_id };
            let issued = issuer.issue(bearer, SystemClock.now()).await?;
            let token = issued.token.expose_secret().to_owned();
            users.push(Arc::new(User::new(api_url, client.clone(), token)));
        }
        Ok(users)
    }

    /// Without the weather.
    pub(crate) fn table(&self) -> aws_sdk_dynamodb::Client {
        harness::table::client(&self.system.endpoints.table_url)
    }

    pub(crate) fn table_name(&self, logical_id: &str) -> anyhow::Result<String> {
        let name = self.system.names.table(logical_id);
        Ok(name.with_context(|| format!("the template has no {logical_id}"))?.to_owned())
    }

    /// `None` if the item does not exist.
    pub(crate) async fn item(
        &self,
        client: &aws_sdk_dynamodb::Client,
        table: &str,
        key: &[(&str, String)],
    ) -> anyhow::Result<Option<Item>> {
        let mut read = client.get_item().table_name(table).consistent_read(true);
        for (name, value) in key {
            read = read.key(*name, AttributeValue::S(value.clone()));
        }
        Ok(read.send().await?.item)
    }

    /// A function's event from `events/`, with the demo user's token and the id of an existing
    /// order.
    pub(crate) fn event(
        &self,
        root: &Path,
        function: &str,
        order_id: &str,
    ) -> anyhow::Result<Value> {
        let file = root.join("events").join(format!("{function}.json"));
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let mut event: Value = serde_json::from_str(&text)?;
        let sample = event.pointer("/pathParameters/order_id").and_then(Value::as_str);
        if let Some(sample) = sample.map(str::to_owned) {
            event = serde_json::from_str(&event.to_string().replace(&sample, order_id))?;
        }
        if let Some(headers) = event.get_mut("headers").and_then(Value::as_object_mut) {
            // Each start must create a new order, not repeat the first one.
            headers.remove("idempotency-key");
            if headers.contains_key("authorization") {
                headers.insert(
                    "authorization".to_owned(),
                    format!("Bearer {}", self.user.token()).into(),
                );
            }
        }
        Ok(event)
    }

    /// Returns once all are gone.
    pub(crate) async fn kill_instances(&self, function: &str) -> anyhow::Result<()> {
        for instance in self.system.host.instances(function)? {
            self.system.host.kill_instance(function, instance.pid)?;
        }
        while !self.system.host.instances(function)?.is_empty() {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
        Ok(())
    }

    /// The largest peak of the function's live processes, in bytes.
    pub(crate) fn peak_memory(&self, function: &str) -> anyhow::Result<Option<u64>> {
        let instances = self.system.host.instances(function)?;
        Ok(instances.iter().filter_map(|instance| memory::peak(instance.pid)).max())
    }

    pub(crate) async fn stop(self) {
        self.system.stop().await;
    }
}

pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;
