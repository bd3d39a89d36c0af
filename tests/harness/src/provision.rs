//! What a fresh system needs before its first request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use application::ports::{Accounts, Clock, IdentitySource, PasswordHasher, SigningKeySource};
use application::rotate_signing_key::RotateSigningKey;
use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::UserId;
use domain::user::{Account, EmailAddress};
use dynamodb::administration::{put_account, put_products, put_verification_key};
use dynamodb::config::{CatalogTable, KeysTable, TableName, UsersTable};
use dynamodb::{DynamoAccounts, DynamoVerificationKeys};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use platform::settings::Settings;
use rocketmq::config::RocketmqConfig;
use secrecy::SecretString;
use security::password::{Argon2idHasher, HashCost};
use security::signing_key::{Ed25519KeyGenerator, SigningKey, SigningKeyFile};

use crate::products;
use crate::remoting::{Frame, ask, code, status};
use crate::table;
use crate::template::{TableSpec, Template};

/// Where the parts of a system are.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The name server, `host:port`.
    pub namesrv: String,
    /// The DynamoDB endpoint.
    pub table_url: String,
    /// The folder for files that belong to this system, such as a signing key. It is there.
    pub data: PathBuf,
}

/// What the parts of a system are called.
#[derive(Debug, Clone)]
pub struct Names {
    /// The stack's name.
    pub stack_name: String,
    /// The topic of the order events.
    pub topic: String,
    /// The topic of the user events.
    pub user_topic: String,
    /// What every consumer and producer group's name begins with.
    pub group_prefix: String,
    /// The tables.
    pub tables: Vec<TableSpec>,
}

impl Names {
    /// The names in `template`, as its functions will read them.
    ///
    /// # Errors
    /// When no function has a variable that names a topic or a prefix.
    pub fn of(template: &Template) -> anyhow::Result<Self> {
        Ok(Self {
            stack_name: template.stack_name.clone(),
            topic: variable(template, "ROCKETMQ_TOPIC")?,
            user_topic: variable(template, "ROCKETMQ_USER_TOPIC")?,
            group_prefix: variable(template, "ROCKETMQ_GROUP_PREFIX")?,
            tables: template.tables.clone(),
        })
    }

    /// The name in DynamoDB of the table with a logical id such as `OrdersTable`.
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
        .ok_or_else(|| anyhow::anyhow!("no function of the template has the variable {name}"))
}

/// The demo user's password.
pub const DEMO_PASSWORD: &str = "correct-horse-battery-staple";
/// The demo user's address.
pub const DEMO_EMAIL: &str = "demo@example.com";
/// The demo user.
pub const DEMO_USER_ID: u64 = 123;

/// The products of the demo.
const DEMO_PRODUCTS: &str = include_str!("../demo/products.json");

/// How long a broker may take to make the topics, and a name server to tell of them.
const TOPICS_LIMIT: Duration = Duration::from_secs(30);

/// Creates what is missing: the template's tables, topics and groups, a signing key with its public
/// half, the demo's products and user. What is there already stays as it is.
///
/// # Errors
/// When an endpoint does not answer, or has something else under one of the names.
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
/// When the cluster does not answer, or RocketMQ does not take a name.
pub async fn create_topics(endpoints: &Endpoints, names: &Names) -> anyhow::Result<()> {
    rocketmq::admin::create_topics(rocketmq_config(endpoints, names)?, TOPICS_LIMIT)
        .await
        .context("the topics cannot be created")
        .map(drop)
}

/// Deletes a topic, on a broker and from its name server, as whoever takes it for unused does.
///
/// # Errors
/// When either doesn't.
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

/// How the harness itself reaches the cluster of a system.
///
/// # Errors
/// When a name is none that RocketMQ takes.
pub fn rocketmq_config(endpoints: &Endpoints, names: &Names) -> anyhow::Result<RocketmqConfig> {
    let mut settings = Settings::from_pairs([
        ("ROCKETMQ_NAMESRV_ADDR", endpoints.namesrv.as_str()),
        ("ROCKETMQ_TOPIC", &names.topic),
        ("ROCKETMQ_USER_TOPIC", &names.user_topic),
        ("ROCKETMQ_GROUP_PREFIX", &names.group_prefix),
    ]);
    let config = RocketmqConfig::read(&mut settings);
    Ok(settings.finish(config)?)
}

fn named(names: &Names, logical_id: &str) -> anyhow::Result<TableName> {
    let name = names.table(logical_id).with_context(|| format!("there is no {logical_id}"))?;
    Ok(TableName::parse(name)?)
}

/// The signing key's file in a data folder.
#[must_use]
pub fn signing_key_file(data: &Path) -> PathBuf {
    data.join("signing-key.json")
}

/// Makes a signing key where there is none, and publishes the public half.
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
        // A kept state: its stock has been sold from, and must not come back.
        return Ok(());
    }
    let catalog = CatalogTable::named(named(names, "CatalogTable")?);
    put_products(tables, &catalog, &products::parse(DEMO_PRODUCTS)?).await?;
    let hasher = Argon2idHasher::new(HashCost::RECOMMENDED)?;
    let hash = hasher.hash(SecretString::from(DEMO_PASSWORD)).await?;
    let user_id = UserId::new(DEMO_USER_ID)?;
    // Nobody has to hear of a demo user: nothing is pending.
    let stamp = EventStamp::untraced(UuidIdentitySource.event_id(), SCHEMA_VERSION);
    let (account, _) = Account::register(user_id, email, hash, SystemClock.now(), stamp);
    put_account(tables, &users, &account, UuidIdentitySource.transaction_id()).await?;
    Ok(())
}

/// Whether an order can be placed at `api_url`, without placing one.
///
/// The demo user logs in and asks for a product that is not there, which create-order can only say
/// after it has started, connected, verified the token and read the catalog.
///
/// # Errors
/// When it cannot, saying what came back.
pub async fn probe_order(api_url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let login = client
        .post(format!("{api_url}/v1/users/login"))
        .json(&serde_json::json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD}))
        .send()
        .await?;
    let status = login.status();
    anyhow::ensure!(status == 200, "the demo user's login is answered with {status}");
    let tokens: serde_json::Value = login.json().await?;
    let token = tokens.get("access_token").and_then(|token| token.as_str()).unwrap_or_default();
    let order = client
        .post(format!("{api_url}/v1/orders"))
        .bearer_auth(token)
        .json(&serde_json::json!({"items": [{"product_id": 0, "quantity": 1}]}))
        .send()
        .await?;
    let status = order.status();
    anyhow::ensure!(status == 422, "an order of no product is answered with {status}");
    Ok(())
}
