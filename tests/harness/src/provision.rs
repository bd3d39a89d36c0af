//! Tables, topics, keys and demo data that a new system needs before its first request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use application::operations::rotate_signing_key::RotateSigningKey;
use application::ports::{Accounts, Clock, IdentitySource, PasswordHasher, SigningKeySource};
use contracts::event::SCHEMA_VERSION;
use domain::account::{Account, EmailAddress};
use domain::event::EventStamp;
use domain::identity::UserId;
use dynamodb::administration::{put_account, put_products, put_verification_key};
use dynamodb::config::{CatalogTable, KeysTable, TableName, UsersTable};
use dynamodb::{DynamoAccounts, DynamoVerificationKeys};
use local_lambda::{TableSpec, Template};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use rocketmq::config::RocketmqConfig;
use secrecy::SecretString;
use security::password::{Argon2idHasher, HashCost};
use security::signing_key::{Ed25519KeyGenerator, SigningKey, SigningKeyFile};

use crate::broker::ClusterAccess;
use crate::products;
use crate::remoting::{Frame, ask, code, status};
use crate::table;

#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The name server, `host:port`.
    pub namesrv: String,
    pub table_url: String,
    /// An existing folder for files of this system, such as its signing key.
    pub data: PathBuf,
    /// Set if the cluster requires TLS and signed requests.
    pub access: Option<ClusterAccess>,
}

#[derive(Debug, Clone)]
pub struct Names {
    pub stack_name: String,
    /// For order events.
    pub topic: String,
    /// For user events.
    pub user_topic: String,
    /// Of the names of all consumer and producer groups.
    pub group_prefix: String,
    pub tables: Vec<TableSpec>,
}

impl Names {
    /// Reads the names from the variables of the template's functions.
    ///
    /// # Errors
    /// When no function has the variable for a topic or the prefix.
    pub fn of(template: &Template) -> anyhow::Result<Self> {
        Ok(Self {
            stack_name: template.stack_name.clone(),
            topic: variable(template, "ROCKETMQ_TOPIC")?,
            user_topic: variable(template, "ROCKETMQ_USER_TOPIC")?,
            group_prefix: variable(template, "ROCKETMQ_GROUP_PREFIX")?,
            tables: template.tables.clone(),
        })
    }

    /// `logical_id` is the table's in the template, such as `OrdersTable`.
    #[must_use]
    pub fn table(&self, logical_id: &str) -> Option<&str> {
        let table = self.tables.iter().find(|table| table.logical_id == logical_id);
        table.map(|table| table.name.as_str())
    }
}

fn variable(template: &Template, name: &str) -> anyhow::Result<String> {
    template
        .functions
        .iter()
        .find_map(|function| function.environment.get(name).cloned())
        .ok_or_else(|| anyhow::anyhow!("no function in the template has the variable {name}"))
}

pub const DEMO_PASSWORD: &str = "correct-horse-battery-staple";
pub const DEMO_EMAIL: &str = "demo@example.com";
pub const DEMO_USER_ID: u64 = 123;

const DEMO_PRODUCTS: &str = include_str!("../demo/products.json");

/// How long a broker may take to create the topics, and a name server to list them.
const TOPICS_LIMIT: Duration = Duration::from_secs(30);

/// Creates all missing parts: the template's tables, topics and groups, a signing key with its
/// public half, and the demo's products and user. Existing parts are not changed.
///
/// # Errors
/// When an endpoint does not answer, or one of the names is used for something else.
pub async fn provision(endpoints: &Endpoints, names: &Names) -> anyhow::Result<()> {
    table::create_tables(&table::client(&endpoints.table_url), &names.tables).await?;
    create_topics(endpoints, names).await?;
    let tables = dynamodb::connect_to(&endpoints.table_url);
    let keys = KeysTable::named(named(names, "KeysTable")?);
    provision_signing_key(signing_key_file(&endpoints.data), &tables, keys).await?;
    put_demo(&tables, names).await
}

/// Creates the topics and groups that are missing.
///
/// # Errors
/// When the cluster does not answer, or RocketMQ does not allow a name.
pub async fn create_topics(endpoints: &Endpoints, names: &Names) -> anyhow::Result<()> {
    rocketmq::admin::create_topics(rocketmq_config(endpoints, names)?, TOPICS_LIMIT)
        .await
        .context("cannot create the topics")
        .map(drop)
}

/// Deletes a topic from a broker and from its name server, as an operator does who considers it
/// unused.
///
/// # Errors
/// When either server does not delete it.
pub async fn delete_topic(endpoints: &Endpoints, broker: &str, topic: &str) -> anyhow::Result<()> {
    let fields = BTreeMap::from([
        ("topic".to_owned(), topic.to_owned()),
        ("clusterName".to_owned(), "DefaultCluster".to_owned()),
    ]);
    let orders = [
        (broker, code::DELETE_TOPIC_IN_BROKER),
        (&endpoints.namesrv, code::DELETE_TOPIC_IN_NAMESRV),
    ];
    for (address, code) in orders {
        let answer = ask(address, &Frame::request(code, 1, fields.clone())).await?;
        anyhow::ensure!(answer.code == status::SUCCESS, "{address} answers {answer:?}");
    }
    Ok(())
}

/// The configuration with which the harness itself reaches the cluster of a system.
///
/// # Errors
/// When RocketMQ does not allow a name.
pub fn rocketmq_config(endpoints: &Endpoints, names: &Names) -> anyhow::Result<RocketmqConfig> {
    let mut pairs = vec![
        ("ROCKETMQ_NAMESRV_ADDR", endpoints.namesrv.clone()),
        ("ROCKETMQ_TOPIC", names.topic.clone()),
        ("ROCKETMQ_USER_TOPIC", names.user_topic.clone()),
        ("ROCKETMQ_GROUP_PREFIX", names.group_prefix.clone()),
    ];
    if let Some(ClusterAccess { authority, administrator, .. }) = &endpoints.access {
        pairs.extend([
            ("ROCKETMQ_TLS_CA", authority.display().to_string()),
            ("ROCKETMQ_ACCESS_KEY", administrator.access_key.clone()),
            ("ROCKETMQ_SECRET_KEY", administrator.secret_key.clone()),
        ]);
    }
    let mut settings =
        Settings::from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())));
    let config = RocketmqConfig::read(&mut settings);
    Ok(settings.finish(config)?)
}

fn named(names: &Names, logical_id: &str) -> anyhow::Result<TableName> {
    let name = names.table(logical_id).with_context(|| format!("no table {logical_id}"))?;
    Ok(TableName::parse(name)?)
}

#[must_use]
pub fn signing_key_file(data: &Path) -> PathBuf {
    data.join("signing-key.json")
}

/// Makes a signing key if it is missing, and publishes the public half.
async fn provision_signing_key(
    path: PathBuf,
    tables: &dynamodb::Client,
    keys: KeysTable,
) -> anyhow::Result<()> {
    let file = SigningKeyFile::new(path);
    let Some(kept) = file.read().await? else {
        let rotate = RotateSigningKey {
            generator: Ed25519KeyGenerator,
            signing: file,
            published: DynamoVerificationKeys::new(tables.clone(), keys),
            clock: SystemClock,
        };
        rotate.sign_with(rotate.publish().await?).await?;
        return Ok(());
    };
    put_verification_key(tables, &keys, &SigningKey::parse(&kept)?.verification_key()).await?;
    Ok(())
}

async fn put_demo(tables: &dynamodb::Client, names: &Names) -> anyhow::Result<()> {
    let users = UsersTable::named(named(names, "UsersTable")?);
    let email = EmailAddress::parse(DEMO_EMAIL)?;
    let accounts = DynamoAccounts::new(tables.clone(), users.clone());
    if accounts.by_email(&email).await?.is_some() {
        // The data folder was kept: some of the stock is sold, and must not be restored.
        return Ok(());
    }
    let catalog = CatalogTable::named(named(names, "CatalogTable")?);
    put_products(tables, &catalog, &products::parse(DEMO_PRODUCTS)?).await?;
    let hasher = Argon2idHasher::new(HashCost::RECOMMENDED)?;
    let hash = hasher.hash(SecretString::from(DEMO_PASSWORD)).await?;
    let user_id = UserId::new(DEMO_USER_ID)?;
    // No consumer needs the event of the demo user, so nothing is pending.
    let stamp = EventStamp::untraced(UuidIdentitySource.event_id(), SCHEMA_VERSION);
    let (account, _) = Account::register(user_id, email, hash, SystemClock.now(), stamp);
    put_account(tables, &users, &account, UuidIdentitySource.transaction_id()).await?;
    Ok(())
}
