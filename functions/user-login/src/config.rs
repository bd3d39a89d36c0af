//! What user-login reads from its environment.

use dynamodb::config::{KeysTable, UsersTable};
use security::password::HashCost;
use web::Cdn;

use crate::key_source::KeyLocation;

platform::configuration! {
    pub struct Config {
        pub users: UsersTable = UsersTable::required,
        pub keys: KeysTable = KeysTable::required,
        pub hash_cost: HashCost = |settings| Some(HashCost::read(settings)),
        /// The location of the private key that signs access tokens.
        pub signing_key: KeyLocation = KeyLocation::read,
        pub cdn: Option<Cdn> = |settings| Some(settings.together(Cdn::SETTINGS, Cdn::read)),
    }
}
