//! What create-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};
use rocketmq::config::RocketmqConfig;

platform::configuration! {
    pub struct Config {
        /// Events are published to this cluster.
        pub rocketmq: RocketmqConfig = RocketmqConfig::read,
        pub orders: OrdersTable = OrdersTable::required,
        pub catalog: CatalogTable = CatalogTable::required,
        pub keys: KeysTable = KeysTable::required,
        /// Whether orders are created while no broker can be reached.
        pub accept_without_broker: bool =
            |settings| Some(settings.or_default("ACCEPT_WITHOUT_BROKER", true, str::parse)),
    }
}
