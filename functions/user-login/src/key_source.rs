//! The location of the private key that signs access tokens.

use std::convert::Infallible;
use std::path::PathBuf;

use application::outcome::Failure;
use application::ports::SigningKeySource;
use platform::settings::Settings;
use secrecy::SecretString;
use secretsmanager::{SecretId, SecretsManagerKey};
use security::signing_key::SigningKeyFile;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// `SIGNING_KEY_FILE`, on a developer's machine.
    File(PathBuf),
    /// `SIGNING_KEY_SECRET`, in AWS Secrets Manager.
    Secret(SecretId),
}

impl KeyLocation {
    /// Reads exactly one of the two settings. `None` means that a fault was recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let file =
            settings.optional("SIGNING_KEY_FILE", |text| Ok::<_, Infallible>(PathBuf::from(text)));
        match file {
            None => settings.required("SIGNING_KEY_SECRET", SecretId::parse).map(Self::Secret),
            Some(file) => {
                let refuse = |_: &str| Err::<(), _>("is set, and so is SIGNING_KEY_FILE");
                settings.optional("SIGNING_KEY_SECRET", refuse);
                Some(Self::File(file))
            }
        }
    }
}

#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file that only its owner may read.
    File(SigningKeyFile),
    Secret(SecretsManagerKey),
}

impl KeySource {
    pub async fn new(location: KeyLocation) -> Self {
        match location {
            KeyLocation::File(path) => Self::File(SigningKeyFile::new(path)),
            KeyLocation::Secret(secret) => {
                Self::Secret(SecretsManagerKey::new(secretsmanager::connect().await, secret))
            }
        }
    }
}

impl SigningKeySource for KeySource {
    async fn read(&self) -> Result<Option<SecretString>, Failure> {
        match self {
            Self::File(file) => file.read().await,
            Self::Secret(secret) => secret.read().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<KeyLocation, String> {
        let mut settings = Settings::from_pairs(pairs.iter().copied());
        let location = KeyLocation::read(&mut settings);
        settings.finish(location).map_err(|faults| faults.to_string())
    }

    #[test]
    fn exactly_one_location_is_set() {
        let file = ("SIGNING_KEY_FILE", "/key.json");
        let secret = ("SIGNING_KEY_SECRET", "signing");
        assert_eq!(read(&[file]), Ok(KeyLocation::File(PathBuf::from("/key.json"))));
        let named = SecretId::parse("signing").unwrap();
        assert_eq!(read(&[secret]), Ok(KeyLocation::Secret(named)));
        assert!(read(&[]).unwrap_err().contains("SIGNING_KEY_SECRET is not set"));
        let both = read(&[file, secret]).unwrap_err();
        assert!(both.contains("SIGNING_KEY_SECRET: is set, and so is"), "{both}");
    }
}
