//! What health reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable, UsersTable};
use platform::cluster::{TlsCa, TopicName, accept_without_broker};
use platform::name_servers::NameServerAddresses;

platform::configuration! {
    pub struct Config {
        /// The name servers, which list the brokers.
        pub name_servers: NameServerAddresses =
            |settings| settings.required("ROCKETMQ_NAMESRV_ADDR", NameServerAddresses::parse),
        /// The topic for whose brokers it asks.
        pub order_topic: TopicName = |settings| Some(TopicName::of_orders(settings)),
        /// Without it, connections to name servers are in plain text.
        pub tls_ca: Option<TlsCa> = |settings| Some(TlsCa::optional(settings)),
        pub accept_without_broker: bool = |settings| Some(accept_without_broker(settings)),
        /// With the index of their pending events.
        pub orders: OrdersTable = OrdersTable::required,
        /// With the index of their pending events.
        pub users: UsersTable = UsersTable::required,
        pub catalog: CatalogTable = CatalogTable::required,
        pub keys: KeysTable = KeysTable::required,
    }
}
