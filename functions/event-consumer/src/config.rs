//! What event-consumer reads from its environment.

use dynamodb::config::{CatalogTable, DeadLettersTable, OrdersTable, UsersTable};
use platform::settings::{InvalidSettings, Settings};
use rocketmq::config::RocketmqConfig;

/// The configuration of event-consumer.
#[derive(Debug)]
pub struct Config {
    /// The cluster from which it consumes and to which it publishes.
    pub rocketmq: RocketmqConfig,
    /// The orders and their pending events.
    pub orders: OrdersTable,
    /// The accounts and sessions with their pending events.
    pub users: UsersTable,
    /// The dead letters.
    pub dead_letters: DeadLettersTable,
    /// The stock from which orders are reserved.
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
        let users = UsersTable::required(&mut settings);
        let dead_letters = DeadLettersTable::required(&mut settings);
        let catalog = CatalogTable::required(&mut settings);
        let config = || {
            Some(Self {
                rocketmq: rocketmq?,
                orders: orders?,
                users: users?,
                dead_letters: dead_letters?,
                catalog: catalog?,
            })
        };
        settings.finish(config())
    }
}
