//! A proxy before the cluster that understands RocketMQ's frames.
//!
//! It stands before the name server, and puts itself into every route that is asked for: so clients
//! that are pointed at its name server also speak to the broker through it, and no setting of the
//! broker changes. A route is rewritten as a whole frame, so addresses may be of any length.
//!
//! Every end of a transaction is written down (in a [`Journal`]), so that a run can assert that
//! COMMIT and ROLLBACK were never both sent for one transaction.

mod connection;
mod journal;
mod relay;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;

pub use journal::{End, Half, Journal, Resolution};
pub use relay::Relay;

use crate::faults::{NewRule, Point, Rules, Traffic};
use crate::remoting::{Frame, code};

/// Which side sent a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A function, or another client.
    Client,
    /// The broker or the name server.
    Server,
}

/// A frame on its way.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Who sent it.
    pub from: Side,
    /// The number of the connection, counted over all proxies of this process.
    pub connection: u64,
    /// The code of the request; of an answer, that of the request that it answers.
    pub request: i32,
    /// The frame.
    pub frame: Frame,
}

/// What a frame proxy answers in the other side's place.
#[derive(Debug, Clone)]
pub struct FrameAnswer {
    /// Such as [`crate::remoting::status::SYSTEM_ERROR`].
    pub code: i32,
    /// The error in words.
    pub remark: String,
}

impl Traffic for Passage {
    type Answer = FrameAnswer;
}

/// Matches frames of one kind: requests with this code, or the answers to them.
pub fn frames(request: i32) -> impl Fn(&Passage) -> bool + Clone + Send + Sync + 'static {
    move |passage| passage.request == request
}

/// Matches messages on their way to the broker, and its answers to them: half messages too.
pub fn sends() -> impl Fn(&Passage) -> bool + Clone + Send + Sync + 'static {
    |passage| matches!(passage.request, code::SEND_MESSAGE | code::SEND_MESSAGE_V2)
}

/// A proxy before a name server and its brokers.
pub struct BrokerProxy {
    namesrv: Relay,
    /// The first and the others, with the address that each stands before.
    brokers: Vec<(String, Relay)>,
}

impl BrokerProxy {
    /// Stands before the name server and the brokers at these addresses (`host:port`), on free
    /// ports. Several proxies may write into one journal.
    ///
    /// # Errors
    /// When there is no broker, or no port can be had.
    pub async fn start(
        namesrv: &str,
        brokers: &[String],
        journal: Arc<Journal>,
    ) -> anyhow::Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, namesrv, brokers, journal).await
    }

    /// As [`BrokerProxy::start`], on another of this machine's addresses, such as that which
    /// containers reach.
    ///
    /// # Errors
    /// When there is no broker, or no port can be had.
    pub async fn start_at(
        address: Ipv4Addr,
        namesrv: &str,
        brokers: &[String],
        journal: Arc<Journal>,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!brokers.is_empty(), "there is no broker to stand before");
        let mut relays = Vec::new();
        let mut routes = Vec::new();
        for broker in brokers {
            let journal = Some(Arc::clone(&journal));
            let front = Relay::start(address, broker, Rules::default(), journal, Vec::new());
            let relay = front.await.context("a broker's proxy")?;
            routes.push(relay::Substitution::of_address(broker, &relay.address()));
            relays.push((broker.clone(), relay));
        }
        let front = Relay::start(address, namesrv, Rules::default(), None, routes);
        let namesrv = front.await.context("the name server's proxy")?;
        Ok(Self { namesrv, brokers: relays })
    }

    /// The name server that clients are to be pointed at, `host:port`.
    #[must_use]
    pub fn namesrv(&self) -> String {
        self.namesrv.address()
    }

    /// A rule for frames between clients and the first broker.
    pub fn on(
        &self,
        point: Point,
        matches: impl Fn(&Passage) -> bool + Send + Sync + 'static,
    ) -> NewRule<Passage> {
        self.broker_relay().rules().on(point, matches)
    }

    /// What stands before the first broker.
    ///
    /// # Panics
    /// Never: a proxy stands before one broker at least.
    #[must_use]
    pub fn broker_relay(&self) -> &Relay {
        let first = self.brokers.first();
        first.map(|(_, relay)| relay).unwrap_or_else(|| unreachable!("a proxy without a broker"))
    }

    /// What stands before the broker at an address.
    ///
    /// # Errors
    /// When nothing does.
    pub fn relay_before(&self, broker: &str) -> anyhow::Result<&Relay> {
        let found = self.brokers.iter().find(|(address, _)| address == broker);
        found.map(|(_, relay)| relay).with_context(|| format!("no proxy stands before {broker}"))
    }

    /// How many requests with this code went on to any broker. The same one twice is one.
    #[must_use]
    pub fn passed_on(&self, code: i32) -> u64 {
        self.brokers.iter().map(|(_, relay)| relay.passed_on(code)).sum()
    }

    /// As [`Relay::deliveries`], of all brokers.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<String, u64> {
        let mut deliveries = BTreeMap::new();
        for (event_id, times) in self.brokers.iter().flat_map(|(_, relay)| relay.deliveries()) {
            *deliveries.entry(event_id).or_default() += times;
        }
        deliveries
    }

    /// What stands before the name server.
    #[must_use]
    pub fn namesrv_relay(&self) -> &Relay {
        &self.namesrv
    }

    /// Removes all rules and lets connections in again.
    ///
    /// # Errors
    /// When a port was taken by someone else meanwhile.
    pub async fn heal(&self) -> anyhow::Result<()> {
        for relay in self.brokers.iter().map(|(_, relay)| relay).chain([&self.namesrv]) {
            relay.rules().heal();
            relay.accept().await?;
        }
        Ok(())
    }
}
