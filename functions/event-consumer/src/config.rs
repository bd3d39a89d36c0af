//! What event-consumer reads from its environment.

use std::num::ParseIntError;

use dynamodb::config::{CatalogTable, DeadLettersTable, OrdersTable, UsersTable};
use mail::MailConfig;
use platform::settings::Settings;
use rocketmq::config::RocketmqConfig;

platform::configuration! {
    /// The configuration of event-consumer.
    pub struct Config {
        /// The cluster from which it consumes and to which it publishes.
        pub rocketmq: RocketmqConfig = RocketmqConfig::read,
        /// The orders and their pending events.
        pub orders: OrdersTable = OrdersTable::required,
        /// The accounts and sessions with their pending events.
        pub users: UsersTable = UsersTable::required,
        /// The dead letters.
        pub dead_letters: DeadLettersTable = DeadLettersTable::required,
        /// The stock from which orders are reserved.
        pub catalog: CatalogTable = CatalogTable::required,
        /// How many open units an account may hold; `None` if they are not counted.
        pub open_units_max: Option<u32> = |settings| Some(open_units_max(settings)),
        /// From whom mails come, and where their links lead; `None` if no mails are sent.
        pub mail: Option<MailConfig> = |settings| Some(MailConfig::read(settings)),
    }
}

/// How many open units an account may hold, unless the environment says something else.
const OPEN_UNITS_MAX: u32 = 10_000;

/// A maximum; 0 for none.
fn open_units_max(settings: &mut Settings) -> Option<u32> {
    let parse = |text: &str| -> Result<_, ParseIntError> {
        text.parse().map(|most: u32| Some(most).filter(|most| *most > 0))
    };
    settings.or_default("OPEN_UNITS_MAX", Some(OPEN_UNITS_MAX), parse)
}
