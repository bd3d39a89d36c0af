//! What event-consumer reads from its environment.

use std::num::ParseIntError;

use dynamodb::config::{CatalogTable, DeadLettersTable, OrdersTable, UsersTable};
use mail::MailConfig;
use platform::settings::Settings;
use rocketmq::config::RocketmqConfig;

platform::configuration! {
    pub struct Config {
        /// Events are consumed from this cluster and published to it.
        pub rocketmq: RocketmqConfig = RocketmqConfig::read,
        pub orders: OrdersTable = OrdersTable::required,
        pub users: UsersTable = UsersTable::required,
        pub dead_letters: DeadLettersTable = DeadLettersTable::required,
        pub catalog: CatalogTable = CatalogTable::required,
        /// How many open units an account may hold; `None` if they are not counted.
        pub open_units_max: Option<u32> = |settings| Some(open_units_max(settings)),
        /// The sender of mails, and the address of their links; `None` if no mails are sent.
        pub mail: Option<MailConfig> = |settings| Some(MailConfig::read(settings)),
    }
}

/// The maximum if the environment sets no other one.
const OPEN_UNITS_MAX: u32 = 10_000;

/// The maximum of open units; `None` if the setting is 0.
fn open_units_max(settings: &mut Settings) -> Option<u32> {
    let parse = |text: &str| -> Result<_, ParseIntError> {
        text.parse().map(|most: u32| Some(most).filter(|most| *most > 0))
    };
    settings.or_default("OPEN_UNITS_MAX", Some(OPEN_UNITS_MAX), parse)
}
