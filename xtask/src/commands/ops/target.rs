//! The tables and the cluster of a command.

use anyhow::Context;
use clap::Args;
use contracts::message::{ORDER_TOPIC, USER_TOPIC};
use dynamodb::config::{DeadLettersTable, OrdersTable, TableName, UsersTable};
use dynamodb::{Client, DynamoAggregates, DynamoOrders};
use platform::clock::SystemClock;
use platform::settings::Settings;
use rocketmq::config::RocketmqConfig;
use rocketmq::publisher::RocketmqPublisher;

use crate::commands::up::STACK_NAME;

#[derive(Args)]
pub(super) struct DynamodbOptions {
    /// The DynamoDB endpoint, such as `http://127.0.0.1:8001`. Without it AWS is used, with the
    /// account and region of the environment.
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

#[derive(Args)]
pub(super) struct AggregatesOptions {
    #[command(flatten)]
    dynamodb: DynamodbOptions,
    #[command(flatten)]
    tables: AggregateTableOptions,
}

#[derive(Args)]
struct AggregateTableOptions {
    /// The orders table; by default that of `cargo xtask up`.
    #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-OrdersTable"))]
    orders_table: String,
    /// The users table, which has accounts and sessions; by default that of `cargo xtask up`.
    #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-UsersTable"))]
    users_table: String,
}

/// The tables of aggregates, with a client.
#[derive(Clone)]
pub(super) struct AggregatesStore {
    client: Client,
    pub(super) orders: OrdersTable,
    pub(super) users: UsersTable,
}

impl AggregatesStore {
    pub(super) fn aggregates(&self) -> DynamoAggregates {
        DynamoAggregates::new(self.client.clone(), self.orders.clone(), self.users.clone())
    }

    /// Lists a user's orders.
    pub(super) fn orders(&self) -> DynamoOrders {
        DynamoOrders::new(self.client.clone(), self.orders.clone())
    }
}

impl AggregatesOptions {
    pub(super) async fn open(&self) -> anyhow::Result<AggregatesStore> {
        self.tables.open(self.dynamodb.connect().await)
    }

    /// The message for an unexpected answer of a table.
    pub(super) fn advice(&self) -> String {
        let AggregateTableOptions { orders_table, users_table } = &self.tables;
        unreadable(&self.dynamodb, "--orders-table, --users-table", &[orders_table, users_table])
    }
}

impl AggregateTableOptions {
    fn open(&self, client: Client) -> anyhow::Result<AggregatesStore> {
        let orders = TableName::parse(&self.orders_table).context("--orders-table")?;
        let users = TableName::parse(&self.users_table).context("--users-table")?;
        let (orders, users) = (OrdersTable::named(orders), UsersTable::named(users));
        Ok(AggregatesStore { client, orders, users })
    }
}

#[derive(Args)]
pub(super) struct LettersOptions {
    #[command(flatten)]
    dynamodb: DynamodbOptions,
    /// The table of dead letters; by default that of `cargo xtask up`.
    #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-DeadLettersTable"))]
    dead_letters_table: String,
}

/// The table of dead letters, with a client.
#[derive(Clone)]
pub(super) struct LettersStore {
    pub(super) client: Client,
    pub(super) letters: DeadLettersTable,
}

impl LettersOptions {
    pub(super) async fn open(&self) -> anyhow::Result<LettersStore> {
        let letters = TableName::parse(&self.dead_letters_table).context("--dead-letters-table")?;
        let client = self.dynamodb.connect().await;
        Ok(LettersStore { client, letters: DeadLettersTable::named(letters) })
    }

    /// The message for an unexpected answer of the table.
    pub(super) fn advice(&self) -> String {
        unreadable(&self.dynamodb, "--dead-letters-table", &[&self.dead_letters_table])
    }
}

/// The tables of dead letters and of the aggregates that raised their events.
#[derive(Args)]
pub(super) struct RedriveOptions {
    #[command(flatten)]
    pub(super) letters: LettersOptions,
    #[command(flatten)]
    tables: AggregateTableOptions,
}

impl RedriveOptions {
    pub(super) async fn open(&self) -> anyhow::Result<(LettersStore, AggregatesStore)> {
        let letters = self.letters.open().await?;
        let aggregates = self.tables.open(letters.client.clone())?;
        Ok((letters, aggregates))
    }

    /// The message for an unexpected answer of a table.
    pub(super) fn advice(&self) -> String {
        let LettersOptions { dynamodb, dead_letters_table } = &self.letters;
        let AggregateTableOptions { orders_table, users_table } = &self.tables;
        let tables = [dead_letters_table.as_str(), orders_table, users_table];
        unreadable(dynamodb, "--dead-letters-table, --orders-table, --users-table", &tables)
    }
}

fn unreadable(dynamodb: &DynamodbOptions, options: &str, tables: &[&str]) -> String {
    let at = match &dynamodb.table {
        Some(url) => format!("at {url}"),
        None => "on AWS".to_owned(),
    };
    format!(
        "cannot read {} {at}: check --table, {options} and, on AWS, region and credentials",
        tables.join(" or ")
    )
}

/// An optional cluster, with the options of [`ClusterOptions`].
#[derive(Args)]
pub(super) struct OptionalClusterOptions {
    /// The name servers, host:port, separated by "," or ";". Without them the sweep publishes.
    #[arg(long, value_name = "ADDR", requires = "group_prefix")]
    namesrv: Option<String>,
    /// The prefix of every group's name; it must be different for each deployment on a cluster.
    #[arg(long, value_name = "PREFIX", requires = "namesrv")]
    group_prefix: Option<String>,
    /// The order topic; `ORDER_EVENTS` by default.
    #[arg(long, value_name = "NAME", requires = "namesrv")]
    topic: Option<String>,
    /// The user topic; `USER_EVENTS` by default.
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

/// A cluster, without anything of a deployment on it.
#[derive(Args)]
pub(super) struct NameServerOptions {
    /// The name servers, host:port, separated by "," or ";".
    #[arg(long, value_name = "ADDR")]
    namesrv: String,
}

impl NameServerOptions {
    pub(super) fn config(&self) -> anyhow::Result<RocketmqConfig> {
        let mut settings = Settings::from_environment()
            .with("ROCKETMQ_NAMESRV_ADDR", &self.namesrv)
            // Required, and used by no request here.
            .with("ROCKETMQ_GROUP_PREFIX", "ops-");
        let config = RocketmqConfig::read(&mut settings);
        Ok(settings.finish(config)?)
    }
}

/// The cluster. If it has access control or TLS, set `ROCKETMQ_ACCESS_KEY`, `ROCKETMQ_SECRET_KEY`
/// and `ROCKETMQ_TLS_CA` in the environment.
#[derive(Args)]
pub(super) struct ClusterOptions {
    /// The name servers, host:port, separated by "," or ";".
    #[arg(long, value_name = "ADDR")]
    namesrv: String,
    /// The prefix of every group's name; it must be different for each deployment on a cluster.
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

    /// An unavailable cluster is not an error yet.
    pub(super) async fn connect(&self) -> anyhow::Result<RocketmqPublisher> {
        Ok(RocketmqPublisher::start(self.config()?, SystemClock).await?)
    }
}
