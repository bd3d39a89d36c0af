//! What health reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable, UsersTable};
use platform::name_servers::NameServerAddresses;

platform::configuration! {
    /// The configuration of health.
    pub struct Config {
        /// The name servers through which brokers are found.
        pub name_servers: NameServerAddresses =
            |settings| settings.required("ROCKETMQ_NAMESRV_ADDR", NameServerAddresses::parse),
        /// Whether orders are created while no broker can be reached.
        pub accept_without_broker: bool =
            |settings| Some(settings.or_default("ACCEPT_WITHOUT_BROKER", true, str::parse)),
        /// The orders and the index of their pending events.
        pub orders: OrdersTable = OrdersTable::required,
        /// The accounts and sessions and the index of their pending events.
        pub users: UsersTable = UsersTable::required,
        /// The products with their prices.
        pub catalog: CatalogTable = CatalogTable::required,
        /// The public keys of access tokens.
        pub keys: KeysTable = KeysTable::required,
    }
}
