//! What create-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};
use platform::settings::{InvalidSettings, Settings};
use rocketmq::config::RocketmqConfig;

/// The configuration of create-order.
#[derive(Debug)]
pub struct Config {
    /// The cluster to which it publishes.
    pub rocketmq: RocketmqConfig,
    /// The orders and their history.
    pub orders: OrdersTable,
    /// The products with their prices.
    pub catalog: CatalogTable,
    /// The public keys of access tokens.
    pub keys: KeysTable,
    /// Whether orders are created while no broker can be reached.
    pub accept_without_broker: bool,
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
        let catalog = CatalogTable::required(&mut settings);
        let keys = KeysTable::required(&mut settings);
        let accept_without_broker = settings.or_default("ACCEPT_WITHOUT_BROKER", true, str::parse);
        let config = || {
            Some(Self {
                rocketmq: rocketmq?,
                orders: orders?,
                catalog: catalog?,
                keys: keys?,
                accept_without_broker,
            })
        };
        settings.finish(config())
    }
}
