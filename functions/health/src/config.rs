//! What health reads from its environment.

use dynamodb::config::{CatalogTable, KeysTable, OrdersTable, UsersTable};
use platform::name_servers::NameServerAddresses;
use platform::settings::{InvalidSettings, Settings};

/// The configuration of health.
#[derive(Debug)]
pub struct Config {
    /// The name servers through which brokers are found.
    pub name_servers: NameServerAddresses,
    /// Whether orders are created while no broker can be reached.
    pub accept_without_broker: bool,
    /// The orders and the index of their pending events.
    pub orders: OrdersTable,
    /// The accounts and sessions and the index of their pending events.
    pub users: UsersTable,
    /// The products with their prices.
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
        let name_servers = settings.required("ROCKETMQ_NAMESRV_ADDR", NameServerAddresses::parse);
        let accept_without_broker = settings.or_default("ACCEPT_WITHOUT_BROKER", true, str::parse);
        let orders = OrdersTable::required(&mut settings);
        let users = UsersTable::required(&mut settings);
        let catalog = CatalogTable::required(&mut settings);
        let keys = KeysTable::required(&mut settings);
        let config = || {
            Some(Self {
                name_servers: name_servers?,
                accept_without_broker,
                orders: orders?,
                users: users?,
                catalog: catalog?,
                keys: keys?,
            })
        };
        settings.finish(config())
    }
}
