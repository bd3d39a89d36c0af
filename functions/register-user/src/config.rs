//! What register-user reads from its environment.

use dynamodb::config::UsersTable;
use platform::settings::{InvalidSettings, Settings};
use security::password::HashCost;
use web::Cdn;

/// The configuration of register-user.
#[derive(Debug)]
pub struct Config {
    /// The accounts.
    pub users: UsersTable,
    /// The cost of a password hash.
    pub hash_cost: HashCost,
    /// The CDN in front of the API, if there is one.
    pub cdn: Option<Cdn>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let users = UsersTable::required(&mut settings);
        let hash_cost = HashCost::read(&mut settings);
        let cdn = settings.together(Cdn::SETTINGS, Cdn::read);
        settings.finish(users.map(|users| Self { users, hash_cost, cdn }))
    }
}
