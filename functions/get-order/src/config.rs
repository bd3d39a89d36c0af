//! What get-order reads from its environment.

use dynamodb::config::{KeysTable, OrdersTable};
use platform::settings::{InvalidSettings, Settings};

/// The configuration of get-order.
#[derive(Debug)]
pub struct Config {
    /// Where orders are stored.
    pub orders: OrdersTable,
    /// The public keys of access tokens.
    pub keys: KeysTable,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let orders = OrdersTable::required(&mut settings);
        let keys = KeysTable::required(&mut settings);
        settings.finish(orders.zip(keys).map(|(orders, keys)| Self { orders, keys }))
    }
}
