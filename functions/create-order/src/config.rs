//! What create-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};
use platform::cluster::accept_without_broker;
use rocketmq::config::RocketmqConfig;

platform::configuration! {
    pub struct Config {
        /// Events are published to this cluster.
        pub rocketmq: RocketmqConfig = RocketmqConfig::read,
        pub orders: OrdersTable = OrdersTable::required,
        pub catalog: CatalogTable = CatalogTable::required,
        pub keys: KeysTable = KeysTable::required,
        pub accept_without_broker: bool = |settings| Some(accept_without_broker(settings)),
    }
}
