//! What transaction-check reads from its environment.

use dynamodb::config::EventsTable;
use platform::settings::{InvalidSettings, Settings};
use rocketmq::config::RocketmqConfig;

/// The configuration of transaction-check.
#[derive(Debug)]
pub struct Config {
    /// Whose check-backs it answers.
    pub rocketmq: RocketmqConfig,
    /// Where events and the records of attempts are stored.
    pub events: EventsTable,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let rocketmq = RocketmqConfig::read(&mut settings);
        let events = EventsTable::required(&mut settings);
        let config = rocketmq.zip(events).map(|(rocketmq, events)| Self { rocketmq, events });
        settings.finish(config)
    }
}
