//! What user-login reads from its environment.

use std::convert::Infallible;
use std::path::PathBuf;

use dynamodb::config::UsersTable;
use platform::settings::{InvalidSettings, Settings};

/// The configuration of user-login.
#[derive(Debug)]
pub struct Config {
    /// Where accounts are stored.
    pub users: UsersTable,
    /// The file with the private key that signs access tokens.
    pub signing_key_file: PathBuf,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let users = UsersTable::required(&mut settings);
        let signing_key_file =
            settings.required("SIGNING_KEY_FILE", |text| Ok::<_, Infallible>(PathBuf::from(text)));
        let config = users
            .zip(signing_key_file)
            .map(|(users, signing_key_file)| Self { users, signing_key_file });
        settings.finish(config)
    }
}
