//! What cancel-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};

platform::configuration! {
    /// The configuration of cancel-order.
    pub struct Config {
        /// The orders and their history.
        pub orders: OrdersTable = OrdersTable::required,
        /// The stock to which a cancelled order returns its units.
        pub catalog: CatalogTable = CatalogTable::required,
        /// The public keys of access tokens.
        pub keys: KeysTable = KeysTable::required,
    }
}
