//! Passing the connections of one door on to one server.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::connection::{self, Line, Out};
use super::{Journal, Passage};
use crate::door::Door;
use crate::faults::Rules;
use crate::remoting::Frame;

/// Counts the connections of all relays, because several may write into one journal.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Passes the connections of clients on to one server, frame by frame.
pub struct Relay {
    shared: Arc<Shared>,
    door: Door,
}

/// What all connections of a relay share.
pub(super) struct Shared {
    pub(super) upstream: String,
    pub(super) rules: Rules<Passage>,
    pub(super) journal: Option<Arc<Journal>>,
    pub(super) substitutions: Vec<Substitution>,
    open: Mutex<BTreeMap<u64, OpenConnection>>,
    /// The requests that came from clients, by their codes.
    pub(super) requests: Tally<i32>,
    /// Those of them that went on to the server.
    pub(super) passed_on: Tally<i32>,
    /// The events that were handed to clients.
    pub(super) deliveries: Tally<String>,
}

/// How often each of some things happened.
pub(super) struct Tally<K>(Mutex<BTreeMap<K, u64>>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Tally<K> {
    pub(super) fn count(&self, thing: K) {
        *self.lock().entry(thing).or_default() += 1;
    }

    fn of(&self, thing: &K) -> u64 {
        self.lock().get(thing).copied().unwrap_or_default()
    }

    fn all(&self) -> BTreeMap<K, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a connection that is open.
pub(super) struct OpenConnection {
    to_client: mpsc::Sender<Out>,
    /// The client's last heartbeat, a JSON text that names its groups.
    pub(super) heartbeat: String,
}

impl Shared {
    pub(super) fn open(&self) -> MutexGuard<'_, BTreeMap<u64, OpenConnection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes its connection off the list when it is dropped.
pub(super) struct Listed(pub(super) Line);

impl Listed {
    pub(super) fn new(line: Line, to_client: mpsc::Sender<Out>) -> Self {
        let entry = OpenConnection { to_client, heartbeat: String::new() };
        line.shared.open().insert(line.number, entry);
        Self(line)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.shared.open().remove(&self.0.number);
    }
}

/// An address that takes another's place in the bodies of answers.
pub(super) struct Substitution {
    from: String,
    to: String,
}

impl Substitution {
    /// Addresses stand in a route as JSON texts; the rest of it is not quite JSON.
    pub(super) fn of_address(from: &str, to: &str) -> Self {
        Self { from: format!("\"{from}\""), to: format!("\"{to}\"") }
    }

    /// The body with the other address, when it names the first.
    pub(super) fn apply(&self, body: &Bytes) -> Option<Bytes> {
        let text = std::str::from_utf8(body).ok()?;
        text.contains(&self.from).then(|| text.replace(&self.from, &self.to).into())
    }
}

impl Relay {
    pub(super) async fn start(
        address: Ipv4Addr,
        upstream: &str,
        rules: Rules<Passage>,
        journal: Option<Arc<Journal>>,
        substitutions: Vec<Substitution>,
    ) -> anyhow::Result<Self> {
        let upstream = upstream.to_owned();
        let shared = Arc::new(Shared {
            upstream,
            rules,
            journal,
            substitutions,
            open: Mutex::default(),
            requests: Tally::default(),
            passed_on: Tally::default(),
            deliveries: Tally::default(),
        });
        let visited = Arc::clone(&shared);
        let door = Door::open_at(address, move |client| run(client, Arc::clone(&visited)));
        Ok(Self { shared, door: door.await? })
    }

    /// Where it listens, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.door.address().to_string()
    }

    /// The rules for its frames.
    #[must_use]
    pub fn rules(&self) -> &Rules<Passage> {
        &self.shared.rules
    }

    /// How many requests with this code came from clients, whatever became of them.
    #[must_use]
    pub fn requests(&self, code: i32) -> u64 {
        self.shared.requests.of(&code)
    }

    /// How many requests with this code went on to the server. The same one twice is one.
    #[must_use]
    pub fn passed_on(&self, code: i32) -> u64 {
        self.shared.passed_on.of(&code)
    }

    /// How often each event was handed to clients that asked for messages, by its `event_id`: again
    /// for each copy of it, and for each time that it was not acknowledged.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<String, u64> {
        self.shared.deliveries.all()
    }

    /// Cuts all connections and refuses new ones, as a server that is down does. How many it has cut.
    ///
    /// # Errors
    /// When the port was taken by someone else.
    pub async fn refuse(&self) -> anyhow::Result<usize> {
        self.door.shut().await
    }

    /// Sends a frame to the client of a connection, as if it came from the server.
    ///
    /// # Errors
    /// When that connection has ended.
    pub async fn inject(&self, connection: u64, frame: &Frame) -> anyhow::Result<()> {
        let bytes = frame.encode()?;
        let line = self.shared.open().get(&connection).map(|client| client.to_client.clone());
        let line = line.with_context(|| format!("connection {connection} has ended"))?;
        line.send(Out::whole(bytes)).await.ok().context("its connection has just ended")
    }

    /// The open connections whose clients said in a heartbeat that they belong to `group`.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<u64> {
        let name = format!("\"{group}\"");
        let open = self.shared.open();
        let members = open.iter().filter(|(_, client)| client.heartbeat.contains(&name));
        members.map(|(number, _)| *number).collect()
    }

    /// Lets connections in again.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub async fn accept(&self) -> anyhow::Result<()> {
        self.door.open().await
    }
}

async fn run(client: TcpStream, shared: Arc<Shared>) {
    // A server that is down looks like one: the client's connection closes.
    let Ok(server) = TcpStream::connect(&shared.upstream).await else { return };
    let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    // Loopback streams take the option; without it frames would only come later.
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    connection::run(client, server, Line { number, shared }).await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Substitution;

    #[test]
    fn only_the_whole_address_is_replaced() {
        let substitution = Substitution::of_address("127.0.0.1:911", "127.0.0.1:10912");
        let body =
            Bytes::from_static(br#"{"brokerAddrs":{0:"127.0.0.1:911"},"x":"127.0.0.1:9110"}"#);
        let changed = substitution.apply(&body).unwrap();
        assert_eq!(
            changed.as_ref(),
            br#"{"brokerAddrs":{0:"127.0.0.1:10912"},"x":"127.0.0.1:9110"}"#
        );
        assert_eq!(substitution.apply(&Bytes::from_static(b"{}")), None);
    }
}
