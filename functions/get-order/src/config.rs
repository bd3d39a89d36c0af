//! What get-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};

platform::configuration! {
    /// The configuration of get-order.
    pub struct Config {
        /// The orders and their history.
        pub orders: OrdersTable = OrdersTable::required,
        /// The products that are sold.
        pub catalog: CatalogTable = CatalogTable::required,
        /// The public keys of access tokens.
        pub keys: KeysTable = KeysTable::required,
    }
}
