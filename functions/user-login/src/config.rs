//! What user-login reads from its environment.

use dynamodb::config::{KeysTable, UsersTable};
use platform::settings::{InvalidSettings, Settings};
use security::password::HashCost;
use web::Cdn;

use crate::key_source::KeyLocation;

/// The configuration of user-login.
#[derive(Debug)]
pub struct Config {
    /// The accounts and sessions.
    pub users: UsersTable,
    /// The public keys of access tokens.
    pub keys: KeysTable,
    /// The cost of a password hash.
    pub hash_cost: HashCost,
    /// The location of the private key that signs access tokens.
    pub signing_key: KeyLocation,
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
        let keys = KeysTable::required(&mut settings);
        let hash_cost = HashCost::read(&mut settings);
        let signing_key = KeyLocation::read(&mut settings);
        let cdn = settings.together(Cdn::SETTINGS, Cdn::read);
        let config =
            || Some(Self { users: users?, keys: keys?, hash_cost, signing_key: signing_key?, cdn });
        settings.finish(config())
    }
}
