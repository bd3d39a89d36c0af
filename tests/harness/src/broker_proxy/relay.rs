//! A relay: passes the connections of one door on to one server.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::connection::{self, Line, Out};
use super::{FrameObserver, Journal, Passage};
use crate::door::Door;
use crate::faults::Rules;
use crate::remoting::Frame;

/// Numbers the connections of all relays, because several may write to one journal.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Passes clients' connections on, frame by frame.
pub struct Relay {
    shared: Arc<Shared>,
    door: Door,
}

pub(super) struct Shared {
    pub(super) upstream: String,
    pub(super) rules: Rules<Passage>,
    pub(super) witness: Witness,
    pub(super) substitutions: Vec<Substitution>,
    open: Mutex<BTreeMap<u64, OpenConnection>>,
    /// By the request's code.
    pub(super) requests: Tally<i32>,
    /// By the request's code; the part of `requests` that was passed on.
    pub(super) passed_on: Tally<i32>,
    /// By event.
    pub(super) deliveries: Tally<String>,
}

/// Who keeps or sees the frames of a relay.
#[derive(Clone)]
pub(super) enum Witness {
    None,
    /// Keeps half messages and ends. The relay also counts the deliveries of each event.
    Journal(Arc<Journal>),
    Observer(FrameObserver),
}

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

pub(super) struct OpenConnection {
    to_client: mpsc::Sender<Out>,
    /// The client's last heartbeat: a JSON text that names its groups.
    pub(super) heartbeat: String,
}

impl Shared {
    pub(super) fn open(&self) -> MutexGuard<'_, BTreeMap<u64, OpenConnection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes its connection from the list when it is dropped.
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

/// An address to replace by another one in the bodies of answers.
#[derive(Clone)]
pub(super) struct Substitution {
    from: String,
    to: String,
}

impl Substitution {
    /// For a route: it has addresses as JSON strings, but is not valid JSON as a whole.
    pub(super) fn of_address(from: &str, to: &str) -> Self {
        Self { from: format!("\"{from}\""), to: format!("\"{to}\"") }
    }

    /// The body with the replaced address, if it contains the address.
    pub(super) fn apply(&self, body: &Bytes) -> Option<Bytes> {
        let text = std::str::from_utf8(body).ok()?;
        text.contains(&self.from).then(|| text.replace(&self.from, &self.to).into())
    }
}

impl Relay {
    pub(super) async fn start(
        address: Ipv4Addr,
        upstream: &str,
        witness: Witness,
        substitutions: Vec<Substitution>,
    ) -> anyhow::Result<Self> {
        let upstream = upstream.to_owned();
        let shared = Arc::new(Shared {
            upstream,
            rules: Rules::default(),
            witness,
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

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.door.address().to_string()
    }

    #[must_use]
    pub fn rules(&self) -> &Rules<Passage> {
        &self.shared.rules
    }

    /// How many requests with this code clients sent, whether or not they were passed on.
    #[must_use]
    pub fn requests(&self, code: i32) -> u64 {
        self.shared.requests.of(&code)
    }

    /// How many requests with this code were passed on to the server. A repeated one counts once.
    #[must_use]
    pub fn passed_on(&self, code: i32) -> u64 {
        self.shared.passed_on.of(&code)
    }

    /// How often each event was delivered to clients, by its `event_id`. Copies count, and so do
    /// deliveries after a missing acknowledgement.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<String, u64> {
        self.shared.deliveries.all()
    }

    /// Cuts all connections and refuses new ones, like a server that is down. Returns how many it
    /// has cut.
    ///
    /// # Errors
    /// When another process has taken the port.
    pub async fn refuse(&self) -> anyhow::Result<usize> {
        self.door.shut().await
    }

    /// Sends a frame to the client of a connection as if it came from the server.
    ///
    /// # Errors
    /// When that connection has ended.
    pub async fn inject(&self, connection: u64, frame: &Frame) -> anyhow::Result<()> {
        let bytes = frame.encode()?;
        let line = self.shared.open().get(&connection).map(|client| client.to_client.clone());
        let line = line.with_context(|| format!("connection {connection} has ended"))?;
        line.send(Out::whole(bytes)).await.ok().context("the connection has just ended")
    }

    /// The open connections of clients that belong to `group` by their last heartbeat.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<u64> {
        let name = format!("\"{group}\"");
        let open = self.shared.open();
        let members = open.iter().filter(|(_, client)| client.heartbeat.contains(&name));
        members.map(|(number, _)| *number).collect()
    }

    /// # Errors
    /// When the port is not available.
    pub async fn accept(&self) -> anyhow::Result<()> {
        self.door.open().await
    }
}

async fn run(client: TcpStream, shared: Arc<Shared>) {
    // If the server is down, the client's connection closes, too.
    let Ok(server) = TcpStream::connect(&shared.upstream).await else { return };
    let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    // Loopback streams support the option; without it, frames would only arrive later.
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
