//! What transaction-check reads from its environment.

use dynamodb::config::{OrdersTable, UsersTable};
use platform::settings::{InvalidSettings, Settings};
use rocketmq::config::RocketmqConfig;

/// The configuration of transaction-check.
#[derive(Debug)]
pub struct Config {
    /// The cluster whose check-backs it answers.
    pub rocketmq: RocketmqConfig,
    /// The orders and their pending events.
    pub orders: OrdersTable,
    /// The accounts and sessions with their pending events.
    pub users: UsersTable,
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
        let users = UsersTable::required(&mut settings);
        let config = || Some(Self { rocketmq: rocketmq?, orders: orders?, users: users? });
        settings.finish(config())
    }
}
