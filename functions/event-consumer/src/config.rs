//! What event-consumer reads from its environment.

use dynamodb::config::{CatalogTable, EventsTable, OrdersTable};
use platform::settings::{InvalidSettings, Settings};
use rocketmq::config::RocketmqConfig;

/// The configuration of event-consumer.
#[derive(Debug)]
pub struct Config {
    /// Where it consumes and publishes.
    pub rocketmq: RocketmqConfig,
    /// Where orders are stored.
    pub orders: OrdersTable,
    /// Where events and inbox records are stored.
    pub events: EventsTable,
    /// The stock.
    pub catalog: CatalogTable,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let rocketmq = RocketmqConfig::read(&mut settings);
        let orders = OrdersTable::required(&mut settings);
        let events = EventsTable::required(&mut settings);
        let catalog = CatalogTable::required(&mut settings);
        let config = || {
            Some(Self { rocketmq: rocketmq?, orders: orders?, events: events?, catalog: catalog? })
        };
        settings.finish(config())
    }
}
