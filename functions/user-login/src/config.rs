//! What user-login reads from its environment.

use std::convert::Infallible;
use std::path::PathBuf;

use dynamodb::config::UsersTable;
use platform::settings::{InvalidSettings, Settings};
use secrecy::{ExposeSecret, SecretString};
use security::signing_key::{SigningKey, SigningKeyError};

/// Where the private key is that signs access tokens.
#[derive(Debug)]
pub enum SigningKeySource {
    /// In a file, as on a developer's machine.
    File(PathBuf),
    /// In the environment, as CloudFormation puts it there from Secrets Manager.
    Text(SecretString),
}

impl SigningKeySource {
    /// Reads the key.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError`] if it can't be read or is no such key.
    pub fn read(&self) -> Result<SigningKey, SigningKeyError> {
        match self {
            Self::File(path) => SigningKey::read(path),
            Self::Text(text) => SigningKey::parse(text.expose_secret().as_bytes()),
        }
    }
}

/// The configuration of user-login.
#[derive(Debug)]
pub struct Config {
    /// Where accounts are stored.
    pub users: UsersTable,
    /// `SIGNING_KEY_FILE` or `SIGNING_KEY`.
    pub signing_key: SigningKeySource,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let users = UsersTable::required(&mut settings);
        let signing_key = read_signing_key(&mut settings);
        let config = users.zip(signing_key).map(|(users, signing_key)| Self { users, signing_key });
        settings.finish(config)
    }
}

/// One of the two settings, and not both: which of two keys signs would be a matter of luck.
fn read_signing_key(settings: &mut Settings) -> Option<SigningKeySource> {
    let text = |text: &str| Ok::<_, Infallible>(SigningKeySource::Text(text.into()));
    let file = |text: &str| Ok::<_, Infallible>(SigningKeySource::File(text.into()));
    let Some(key) = settings.optional("SIGNING_KEY", text) else {
        return settings.required("SIGNING_KEY_FILE", file);
    };
    let both = |_: &str| Err::<(), _>("must not be set together with SIGNING_KEY");
    settings.optional("SIGNING_KEY_FILE", both);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let users = ("USERS_TABLE", "users");
        let settings = Settings::from_pairs(pairs.iter().copied().chain([users]));
        Config::read(settings).map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_key_is_in_a_file_or_in_the_environment() {
        let file = read(&[("SIGNING_KEY_FILE", "/key.json")]).unwrap();
        assert!(matches!(file.signing_key, SigningKeySource::File(_)));
        let text = read(&[("SIGNING_KEY", "{}")]).unwrap();
        assert!(!format!("{text:?}").contains("{}"), "a secret is told: {text:?}");
        assert!(matches!(text.signing_key.read(), Err(SigningKeyError::Malformed)));
    }

    #[test]
    fn there_is_one_key() {
        assert!(read(&[]).unwrap_err().contains("SIGNING_KEY_FILE is not set"));
        let both = [("SIGNING_KEY", "{}"), ("SIGNING_KEY_FILE", "/key.json")];
        assert!(read(&both).unwrap_err().contains("must not be set together"));
    }
}
