//! What transaction-check reads from its environment.

use dynamodb::config::{OrdersTable, UsersTable};
use rocketmq::config::RocketmqConfig;

platform::configuration! {
    pub struct Config {
        /// The cluster that sends the check-backs.
        pub rocketmq: RocketmqConfig = RocketmqConfig::read,
        pub orders: OrdersTable = OrdersTable::required,
        pub users: UsersTable = UsersTable::required,
    }
}
