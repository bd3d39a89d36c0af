//! What get-order reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable};

platform::configuration! {
    pub struct Config {
        pub orders: OrdersTable = OrdersTable::required,
        pub catalog: CatalogTable = CatalogTable::required,
        pub keys: KeysTable = KeysTable::required,
    }
}
