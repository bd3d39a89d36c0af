//! What create-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};
use rocketmq::config::RocketmqConfig;

platform::configuration! {
    /// The configuration of create-order.
    pub struct Config {
        /// The cluster to which it publishes.
        pub rocketmq: RocketmqConfig = RocketmqConfig::read,
        /// The orders and their history.
        pub orders: OrdersTable = OrdersTable::required,
        /// The products with their prices.
        pub catalog: CatalogTable = CatalogTable::required,
        /// The public keys of access tokens.
        pub keys: KeysTable = KeysTable::required,
        /// Whether orders are created while no broker can be reached.
        pub accept_without_broker: bool =
            |settings| Some(settings.or_default("ACCEPT_WITHOUT_BROKER", true, str::parse)),
    }
}
