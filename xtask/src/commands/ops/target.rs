//! Which table and which cluster a command works on.

use anyhow::Context;
use clap::Args;
use contracts::message::{ORDER_TOPIC, USER_TOPIC};
use dynamodb::Client;
use dynamodb::config::{EventsTable, TableName};
use platform::clock::SystemClock;
use platform::settings::Settings;
use rocketmq::config::RocketmqConfig;
use rocketmq::publisher::RocketmqPublisher;

use crate::commands::up::STACK_NAME;

/// Where the tables are.
#[derive(Args)]
pub(super) struct DynamodbOptions {
    /// The DynamoDB endpoint, such as `http://127.0.0.1:8001`; without it AWS, with the account and
    /// region of the environment.
    #[arg(long, value_name = "URL")]
    table: Option<String>,
}

impl DynamodbOptions {
    pub(super) async fn connect(&self) -> Client {
        match &self.table {
            Some(url) => dynamodb::connect_to(url),
            None => dynamodb::connect().await,
        }
    }
}

/// The events table.
#[derive(Args)]
pub(super) struct EventsTableOptions {
    #[command(flatten)]
    dynamodb: DynamodbOptions,
    /// The events table; by default that of `cargo xtask up`.
    #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-EventsTable"))]
    events_table: String,
}

/// The events table and how to reach it.
#[derive(Clone)]
pub(super) struct EventsStore {
    pub(super) client: Client,
    pub(super) table: EventsTable,
}

impl EventsTableOptions {
    pub(super) async fn open(&self) -> anyhow::Result<EventsStore> {
        let name = TableName::parse(&self.events_table).context("--events-table")?;
        let client = self.dynamodb.connect().await;
        Ok(EventsStore { client, table: EventsTable::named(name) })
    }

    /// What to say when the table doesn't answer as one should.
    pub(super) fn advice(&self) -> String {
        let at = match &self.dynamodb.table {
            Some(url) => format!("at {url}"),
            None => "on AWS".to_owned(),
        };
        format!(
            "the table {} {at} could not be read: check --table, --events-table and, on AWS, region and \
             credentials",
            self.events_table
        )
    }
}

/// The cluster, where one is to be used: as [`ClusterOptions`].
#[derive(Args)]
pub(super) struct OptionalClusterOptions {
    /// The name servers, host:port, several parted by , or ; without them the sweep publishes.
    #[arg(long, value_name = "ADDR", requires = "group_prefix")]
    namesrv: Option<String>,
    /// What every group's name begins with; two deployments on one cluster must differ in it.
    #[arg(long, value_name = "PREFIX", requires = "namesrv")]
    group_prefix: Option<String>,
    /// The order topic; `ORDER_EVENTS` if it is not told.
    #[arg(long, value_name = "NAME", requires = "namesrv")]
    topic: Option<String>,
    /// The user topic; `USER_EVENTS` if it is not told.
    #[arg(long, value_name = "NAME", requires = "namesrv")]
    user_topic: Option<String>,
}

impl OptionalClusterOptions {
    pub(super) fn given(self) -> Option<ClusterOptions> {
        let (namesrv, group_prefix) = self.namesrv.zip(self.group_prefix)?;
        let topic = self.topic.unwrap_or_else(|| ORDER_TOPIC.to_owned());
        let user_topic = self.user_topic.unwrap_or_else(|| USER_TOPIC.to_owned());
        Some(ClusterOptions { namesrv, group_prefix, topic, user_topic })
    }
}

/// The cluster. One with access control or TLS takes `ROCKETMQ_ACCESS_KEY`, `ROCKETMQ_SECRET_KEY`
/// and `ROCKETMQ_TLS_CA` from the environment.
#[derive(Args)]
pub(super) struct ClusterOptions {
    /// The name servers, host:port, several parted by , or ;
    #[arg(long, value_name = "ADDR")]
    namesrv: String,
    /// What every group's name begins with; two deployments on one cluster must differ in it.
    #[arg(long, value_name = "PREFIX")]
    group_prefix: String,
    /// The order topic.
    #[arg(long, value_name = "NAME", default_value = ORDER_TOPIC)]
    topic: String,
    /// The user topic.
    #[arg(long, value_name = "NAME", default_value = USER_TOPIC)]
    user_topic: String,
}

impl ClusterOptions {
    pub(super) fn config(&self) -> anyhow::Result<RocketmqConfig> {
        let mut settings = Settings::from_environment()
            .with("ROCKETMQ_NAMESRV_ADDR", &self.namesrv)
            .with("ROCKETMQ_TOPIC", &self.topic)
            .with("ROCKETMQ_USER_TOPIC", &self.user_topic)
            .with("ROCKETMQ_GROUP_PREFIX", &self.group_prefix);
        let config = RocketmqConfig::read(&mut settings);
        Ok(settings.finish(config)?)
    }

    /// A cluster that is away is no error yet.
    pub(super) async fn connect(&self) -> anyhow::Result<RocketmqPublisher> {
        Ok(RocketmqPublisher::start(self.config()?, SystemClock).await?)
    }
}
