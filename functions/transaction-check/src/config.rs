//! What transaction-check reads from its environment.

use dynamodb::config::{OrdersTable, UsersTable};
use rocketmq::config::RocketmqConfig;

platform::configuration! {
    /// The configuration of transaction-check.
    pub struct Config {
        /// The cluster whose check-backs it answers.
        pub rocketmq: RocketmqConfig = RocketmqConfig::read,
        /// The orders and their pending events.
        pub orders: OrdersTable = OrdersTable::required,
        /// The accounts and sessions with their pending events.
        pub users: UsersTable = UsersTable::required,
    }
}
