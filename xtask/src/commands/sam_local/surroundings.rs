//! The broker and the table of a local system, which containers reach through proxies.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use harness::broker::broker_addresses;
use harness::broker_proxy::{BrokerProxy, Journal};
use harness::system::{System, SystemOptions};
use harness::table_proxy::TableProxy;

/// The name that `sam local` gives every stack.
const STACK_NAME: &str = "local";

pub(super) struct Surroundings {
    pub(super) system: System,
    pub(super) table: TableProxy,
    pub(super) broker: BrokerProxy,
}

impl Surroundings {
    /// The proxies listen at an address that containers reach. The system's own schedules are off,
    /// so that only containers handle orders.
    pub(super) async fn start(address: Ipv4Addr) -> anyhow::Result<Self> {
        let mut options = SystemOptions::isolated(&harness::checkout::root()?)?;
        STACK_NAME.clone_into(&mut options.stack_name);
        options.parameters.clear();
        options.schedules = false;
        let system = System::start(options).await?;
        let endpoints = &system.endpoints;
        let table = TableProxy::start_at(address, &endpoints.table_url).await?;
        let brokers = broker_addresses(&endpoints.namesrv).await?;
        let journal = Arc::new(Journal::default());
        let broker = BrokerProxy::start_at(address, &endpoints.namesrv, &brokers, journal)
            .await
            .context("cannot start the containers' proxy to the broker")?;
        Ok(Self { system, table, broker })
    }

    pub(super) async fn stop(self) {
        self.system.stop().await;
    }
}
