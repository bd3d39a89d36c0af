//! What get-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};
use platform::settings::{InvalidSettings, Settings};

/// The configuration of get-order.
#[derive(Debug)]
pub struct Config {
    /// The orders and their history.
    pub orders: OrdersTable,
    /// The products that are sold.
    pub catalog: CatalogTable,
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
        let catalog = CatalogTable::required(&mut settings);
        let keys = KeysTable::required(&mut settings);
        let config = || Some(Self { orders: orders?, catalog: catalog?, keys: keys? });
        settings.finish(config())
    }
}
