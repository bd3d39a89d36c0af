//! A proxy before the cluster that reads RocketMQ's frames.
//!
//! It listens in place of the name server, and replaces the brokers' addresses in every route by
//! its own. So clients that use its name server also reach the broker through it, and no setting of
//! the broker changes. A route is rewritten as a whole frame, so addresses may have any length.
//!
//! A [`Journal`] records every end of a transaction, so that a run can assert that COMMIT and
//! ROLLBACK were never both sent for one transaction.

mod connection;
mod journal;
mod relay;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;

pub use journal::{End, Half, Journal, Resolution};
pub use relay::Relay;
pub use tls::TlsCounts;

use crate::broker::ClusterAccess;
use crate::faults::{NewRule, Point, Traffic};
use crate::remoting::{Frame, code};
use relay::{Substitution, Witness};
use tls::{Back, Front, Tls};

/// Called with each frame as it is passed on.
pub type FrameObserver = Arc<dyn Fn(&Passage) + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Client,
    Server,
}

#[derive(Debug, Clone)]
pub struct Passage {
    pub from: Side,
    /// The number of the connection, counted over all proxies of this process.
    pub connection: u64,
    /// The code of the request; for an answer, the code of the request that it answers.
    pub request: i32,
    /// The frame, with its original number and fields.
    pub frame: Frame,
}

/// An answer that the proxy gives instead of the other side.
#[derive(Debug, Clone)]
pub struct FrameAnswer {
    /// The code, such as [`crate::remoting::status::SYSTEM_ERROR`].
    pub code: i32,
    pub remark: String,
}

impl Traffic for Passage {
    type Answer = FrameAnswer;
}

/// Matches frames of one kind: requests with this code, or the answers to them.
pub fn frames(request: i32) -> impl Fn(&Passage) -> bool + Clone + Send + Sync + 'static {
    move |passage| passage.request == request
}

/// Matches messages on their way to the broker, including half messages, and the answers to them.
pub fn sends() -> impl Fn(&Passage) -> bool + Clone + Send + Sync + 'static {
    |passage| matches!(passage.request, code::SEND_MESSAGE | code::SEND_MESSAGE_V2)
}

pub struct BrokerProxy {
    /// The relays of the name servers, at least one.
    name_servers: Vec<Relay>,
    /// The relay of each broker, with the broker's address; the first broker first.
    brokers: Vec<(String, Relay)>,
    /// Before and behind the relays of a cluster with TLS.
    secured: Option<Secured>,
}

struct Secured {
    tls: Tls,
    namesrv: Front,
    _brokers: Vec<Front>,
    _backs: Vec<Back>,
}

impl BrokerProxy {
    /// Starts a proxy before the name server and the brokers at these addresses (`host:port`), on
    /// free ports. Several proxies may write to one journal.
    ///
    /// # Errors
    /// When `brokers` is empty, or no port is free.
    pub async fn start(
        namesrv: &str,
        brokers: &[String],
        journal: Arc<Journal>,
    ) -> anyhow::Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, namesrv, brokers, journal).await
    }

    /// [`BrokerProxy::start`] on another address of this machine, such as one that containers
    /// reach.
    ///
    /// # Errors
    /// When `brokers` is empty, or no port is free.
    pub async fn start_at(
        address: Ipv4Addr,
        namesrv: &str,
        brokers: &[String],
        journal: Arc<Journal>,
    ) -> anyhow::Result<Self> {
        Self::start_with(address, &[namesrv], brokers, &Witness::Journal(journal)).await
    }

    /// [`BrokerProxy::start`] before one or more name servers, without a journal: `observer` sees
    /// each frame between clients and brokers.
    ///
    /// # Errors
    /// When there is no broker or no name server, or no port is free.
    pub async fn start_observed(
        name_servers: &[&str],
        brokers: &[String],
        observer: FrameObserver,
    ) -> anyhow::Result<Self> {
        let witness = Witness::Observer(observer);
        Self::start_with(Ipv4Addr::LOCALHOST, name_servers, brokers, &witness).await
    }

    async fn start_with(
        address: Ipv4Addr,
        name_servers: &[&str],
        brokers: &[String],
        witness: &Witness,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!brokers.is_empty(), "a proxy needs at least one broker");
        anyhow::ensure!(!name_servers.is_empty(), "a proxy needs at least one name server");
        let mut relays = Vec::new();
        let mut routes = Vec::new();
        for broker in brokers {
            let front = Relay::start(address, broker, witness.clone(), Vec::new());
            let relay = front.await.context("a broker's proxy")?;
            routes.push(Substitution::of_address(broker, &relay.address()));
            relays.push((broker.clone(), relay));
        }
        let mut fronts = Vec::new();
        for name_server in name_servers {
            let front = Relay::start(address, name_server, Witness::None, routes.clone());
            fronts.push(front.await.context("the name server's proxy")?);
        }
        Ok(Self { name_servers: fronts, brokers: relays, secured: None })
    }

    /// [`BrokerProxy::start`] before a cluster with TLS. Clients get the cluster's own certificate,
    /// and nothing that does not come by TLS is passed on.
    ///
    /// # Errors
    /// When `brokers` is empty, a certificate cannot be read, or no port is free.
    pub async fn start_secured(
        namesrv: &str,
        brokers: &[String],
        journal: Arc<Journal>,
        access: &ClusterAccess,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!brokers.is_empty(), "a proxy needs at least one broker");
        let at = Ipv4Addr::LOCALHOST;
        let tls = Tls::new(access)?;
        let (mut relays, mut routes) = (Vec::new(), Vec::new());
        let (mut fronts, mut backs) = (Vec::new(), Vec::new());
        for broker in brokers {
            let back = Back::open(broker, &tls).await?;
            let witness = Witness::Journal(Arc::clone(&journal));
            let relay = Relay::start(at, &back.address(), witness, Vec::new()).await?;
            let front = Front::open(at, relay.address(), &tls).await?;
            routes.push(Substitution::of_address(broker, &front.address()));
            relays.push((broker.clone(), relay));
            fronts.push(front);
            backs.push(back);
        }
        let back = Back::open(namesrv, &tls).await?;
        let namesrv = Relay::start(at, &back.address(), Witness::None, routes).await?;
        let front = Front::open(at, namesrv.address(), &tls).await?;
        backs.push(back);
        let secured = Secured { tls, namesrv: front, _brokers: fronts, _backs: backs };
        Ok(Self { name_servers: vec![namesrv], brokers: relays, secured: Some(secured) })
    }

    /// `None` before a cluster without TLS.
    #[must_use]
    pub fn tls_counts(&self) -> Option<TlsCounts> {
        self.secured.as_ref().map(|secured| secured.tls.counts())
    }

    /// The name servers' addresses for clients, `host:port`, separated by `;`.
    #[must_use]
    pub fn namesrv(&self) -> String {
        if let Some(secured) = &self.secured {
            return secured.namesrv.address();
        }
        let addresses: Vec<_> = self.name_servers.iter().map(Relay::address).collect();
        addresses.join(";")
    }

    pub fn on(
        &self,
        point: Point,
        matches: impl Fn(&Passage) -> bool + Send + Sync + 'static,
    ) -> NewRule<Passage> {
        self.broker_relay().rules().on(point, matches)
    }

    /// The relay before the first broker; a proxy has at least one.
    #[must_use]
    pub fn broker_relay(&self) -> &Relay {
        let first = self.brokers.first();
        first.map(|(_, relay)| relay).unwrap_or_else(|| unreachable!("a proxy without a broker"))
    }

    /// # Errors
    /// When the proxy does not know the broker.
    pub fn relay_before(&self, broker: &str) -> anyhow::Result<&Relay> {
        let found = self.brokers.iter().find(|(address, _)| address == broker);
        found.map(|(_, relay)| relay).with_context(|| format!("no relay leads to {broker}"))
    }

    /// Whether any broker has a member of `group`, by the clients' last heartbeats.
    #[must_use]
    pub fn has_member(&self, group: &str) -> bool {
        self.brokers.iter().any(|(_, relay)| !relay.members(group).is_empty())
    }

    /// How many requests with this code were passed on to any broker. A repeated one counts once.
    #[must_use]
    pub fn passed_on(&self, code: i32) -> u64 {
        self.brokers.iter().map(|(_, relay)| relay.passed_on(code)).sum()
    }

    /// [`Relay::deliveries`] of all brokers together.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<String, u64> {
        let mut deliveries = BTreeMap::new();
        for (event_id, times) in self.brokers.iter().flat_map(|(_, relay)| relay.deliveries()) {
            *deliveries.entry(event_id).or_default() += times;
        }
        deliveries
    }

    /// The relay before the first name server; a proxy has at least one.
    #[must_use]
    pub fn namesrv_relay(&self) -> &Relay {
        let first = self.name_servers.first();
        first.unwrap_or_else(|| unreachable!("a proxy without a name server"))
    }

    /// Removes all rules and accepts connections again.
    ///
    /// # Errors
    /// When another process has taken a port meanwhile.
    pub async fn heal(&self) -> anyhow::Result<()> {
        for relay in self.brokers.iter().map(|(_, relay)| relay).chain(&self.name_servers) {
            relay.rules().heal();
            relay.accept().await?;
        }
        Ok(())
    }
}
