//! DynamoDB: an embedded one over HTTP, Amazon's own emulator, and the template's tables in either
//! or in any other DynamoDB.

mod amazon;
mod create;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use local_lambda::REGION;
use tokio::sync::oneshot;

pub use amazon::DynamodbLocal;
pub use create::create_tables;

use crate::broker::cannot_listen;

/// How long running requests may take once the table stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How many requests the table handles at once.
const WORKERS: usize = 4;

/// An embedded DynamoDB that serves HTTP from this process; it ends when this is dropped.
///
/// It emulates no contention between transactions and makes every read consistent. It has its own
/// threads, because it blocks a thread while a request runs or waits for others, and would block
/// the host, the gateway and the proxies.
pub struct EmbeddedTable {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl EmbeddedTable {
    /// Serves on `port` of the loopback interface (0 for a free one), on the file `file` or,
    /// without one, in memory.
    ///
    /// # Errors
    /// When the port is not available or the file cannot be opened.
    pub async fn start(port: u16, file: Option<&Path>) -> anyhow::Result<Self> {
        let database = match file {
            None => Database::memory(),
            Some(path) => {
                let path = path.to_str().context("the data folder's path is not valid UTF-8")?;
                Database::new(path)
            }
        };
        let database = database.context("the embedded table cannot open its database")?;
        let address = Ipv4Addr::LOCALHOST;
        let listener = TcpListener::bind((address, port))
            .map_err(|error| cannot_listen(address, port, "--table-port", &error))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("table")
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let (tell_end, ended) = oneshot::channel::<()>();
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            // The signal is a message from the sender, or its drop.
            let shutdown = async { drop(stopped.await) };
            dynoxide::server::serve_with_shutdown(listener, database, shutdown)
                .await
                .map_err(std::io::Error::other)
        };
        std::thread::Builder::new().name("table".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(serve) {
                tracing::error!(%error, "the embedded table ended");
            }
            runtime.shutdown_background();
            drop(tell_end);
        })?;
        Ok(Self { address, stop, ended })
    }

    /// Such as `http://127.0.0.1:8001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for running requests and closes the file.
    pub async fn stop(self) {
        // Sending fails only if the server has already ended.
        if self.stop.send(()).is_ok() && tokio::time::timeout(STOP_GRACE, self.ended).await.is_err()
        {
            tracing::debug!("a request to the embedded table was cut off");
        }
    }
}

/// A client for the DynamoDB at `url`, with credentials that emulators accept and AWS refuses.
#[must_use]
pub fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .build();
    Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use local_lambda::{KeyType, TableSpec, Template};

    use super::{EmbeddedTable, client, create_tables};

    fn tables() -> Vec<TableSpec> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
        let overrides = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "h:1".to_owned())]);
        Template::load(path.as_ref(), "orders-test", &overrides).unwrap().tables
    }

    #[test]
    fn operators_and_functions_use_the_same_tables_in_dynamodb_local() {
        let url = "http://127.0.0.1:1";
        let operators = dynamodb::connect_to(url);
        assert_eq!(operators.config().region(), client(url).config().region());
    }

    #[tokio::test]
    async fn tables_are_created_once_and_left_alone_afterwards() {
        let table = EmbeddedTable::start(0, None).await.unwrap();
        let client = client(&table.url());
        let tables = tables();
        create_tables(&client, &tables).await.unwrap();
        create_tables(&client, &tables).await.unwrap();
        let described =
            client.describe_table().table_name("orders-test-OrdersTable").send().await.unwrap();
        let indexes = described.table().unwrap().global_secondary_indexes();
        let mut names: Vec<_> = indexes.iter().filter_map(|index| index.index_name()).collect();
        names.sort_unstable();
        assert_eq!(names, ["by_user", "pending"]);
        drop(client);
        table.stop().await;
    }

    #[tokio::test]
    async fn a_table_with_another_key_is_an_error_that_names_it() {
        let table = EmbeddedTable::start(0, None).await.unwrap();
        let client = client(&table.url());
        let mut tables = tables();
        create_tables(&client, &tables).await.unwrap();
        tables[0].key[0].kind = KeyType::N;
        let error = create_tables(&client, &tables).await.unwrap_err();
        assert!(error.to_string().contains(&tables[0].name), "{error:#}");
    }

    #[tokio::test]
    async fn a_file_keeps_its_tables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("table.db");
        for _ in 0..2 {
            let table = EmbeddedTable::start(0, Some(&file)).await.unwrap();
            create_tables(&client(&table.url()), &tables()).await.unwrap();
            table.stop().await;
        }
    }
}
