//! What event-consumer reads from its environment.

use dynamodb::config::{CatalogTable, DeadLettersTable, OrdersTable, UsersTable};
use mail::MailConfig;
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
    /// How many open units an account may hold; `None` if they are not counted.
    pub open_units_max: Option<u32>,
    /// From whom mails come, and where their links lead; `None` if no mails are sent.
    pub mail: Option<MailConfig>,
}

/// How many open units an account may hold, unless the environment says something else.
const OPEN_UNITS_MAX: u32 = 10_000;

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
        let open_units_max =
            settings.or_default("OPEN_UNITS_MAX", Some(OPEN_UNITS_MAX), open_units_max);
        let mail = MailConfig::read(&mut settings);
        let config = || {
            Some(Self {
                rocketmq: rocketmq?,
                orders: orders?,
                users: users?,
                dead_letters: dead_letters?,
                catalog: catalog?,
                open_units_max,
                mail,
            })
        };
        settings.finish(config())
    }
}

/// A maximum; 0 for none.
fn open_units_max(text: &str) -> Result<Option<u32>, std::num::ParseIntError> {
    text.parse().map(|most: u32| Some(most).filter(|most| *most > 0))
}
