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

/// A proxy before a name server and a broker.
pub struct BrokerProxy {
    namesrv: Relay,
    broker: Relay,
}

impl BrokerProxy {
    /// Stands before the name server and the broker at these addresses (`host:port`), on free
    /// ports. Several proxies may write into one journal.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(namesrv: &str, broker: &str, journal: Arc<Journal>) -> anyhow::Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, namesrv, broker, journal).await
    }

    /// As [`BrokerProxy::start`], on another of this machine's addresses, such as that which
    /// containers reach.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_at(
        address: Ipv4Addr,
        namesrv: &str,
        broker: &str,
        journal: Arc<Journal>,
    ) -> anyhow::Result<Self> {
        let front = Relay::start(address, broker, Rules::default(), Some(journal), None);
        let broker_relay = front.await.context("the broker's proxy")?;
        let route = relay::Substitution::of_address(broker, &broker_relay.address());
        let front = Relay::start(address, namesrv, Rules::default(), None, Some(route));
        let namesrv = front.await.context("the name server's proxy")?;
        Ok(Self { namesrv, broker: broker_relay })
    }

    /// The name server that clients are to be pointed at, `host:port`.
    #[must_use]
    pub fn namesrv(&self) -> String {
        self.namesrv.address()
    }

    /// A rule for frames between clients and the broker.
    pub fn on(
        &self,
        point: Point,
        matches: impl Fn(&Passage) -> bool + Send + Sync + 'static,
    ) -> NewRule<Passage> {
        self.broker.rules().on(point, matches)
    }

    /// What stands before the broker.
    #[must_use]
    pub fn broker_relay(&self) -> &Relay {
        &self.broker
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
        for relay in [&self.broker, &self.namesrv] {
            relay.rules().heal();
            relay.accept().await?;
        }
        Ok(())
    }
}
