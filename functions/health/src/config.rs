//! What health reads from its environment.

use dynamodb::config::{CatalogTable, EventsTable, KeysTable, OrdersTable};
use platform::name_servers::NameServerAddresses;
use platform::settings::{InvalidSettings, Settings};

/// The configuration of health.
#[derive(Debug)]
pub struct Config {
    /// Through which brokers are found.
    pub name_servers: NameServerAddresses,
    /// Whether orders are taken while no broker can be reached.
    pub accept_without_broker: bool,
    /// Where orders are stored.
    pub orders: OrdersTable,
    /// Where events and the records of attempts are stored.
    pub events: EventsTable,
    /// What is sold at which price.
    pub catalog: CatalogTable,
    /// The public keys of access tokens.
    pub keys: KeysTable,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let name_servers = settings.required("ROCKETMQ_NAMESRV_ADDR", NameServerAddresses::parse);
        let accept_without_broker = settings.or_default("ACCEPT_WITHOUT_BROKER", true, str::parse);
        let orders = OrdersTable::required(&mut settings);
        let events = EventsTable::required(&mut settings);
        let catalog = CatalogTable::required(&mut settings);
        let keys = KeysTable::required(&mut settings);
        let config = || {
            Some(Self {
                name_servers: name_servers?,
                accept_without_broker,
                orders: orders?,
                events: events?,
                catalog: catalog?,
                keys: keys?,
            })
        };
        settings.finish(config())
    }
}
