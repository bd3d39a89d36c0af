use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use application::outcome::{Failure, FailureClass};
use application::ports::{SigningKeySource, SigningKeyStore};
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};

/// The private key in a file that only its owner may read and write (mode 0600), for a developer's
/// machine.
#[derive(Debug, Clone)]
pub struct SigningKeyFile {
    path: PathBuf,
}

impl SigningKeyFile {
    /// The key in this file, which need not exist yet.
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes the new key to another file and renames it to the old one's name, so that a reader
    /// always gets one complete key, even after a crash.
    fn write(&self, key: &SecretString) -> io::Result<()> {
        let new = self.path.with_extension("new");
        // An interrupted rotation may have left this file.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = owners_file(&new)?;
        file.write_all(key.expose_secret().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

#[cfg(unix)]
fn owners_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn owners_file(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn unavailable(error: io::Error) -> Failure {
    Failure::new(FailureClass::Unavailable, error)
}

impl SigningKeySource for SigningKeyFile {
    async fn read(&self) -> Result<Option<SecretString>, Failure> {
        match fs::read_to_string(&self.path) {
            Ok(mut text) => {
                let key = SecretString::from(text.as_str());
                text.zeroize();
                Ok(Some(key))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl SigningKeyStore for SigningKeyFile {
    async fn replace(&self, key: &SecretString) -> Result<(), Failure> {
        self.write(key).map_err(unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_key::SigningKey;

    async fn kid(file: &SigningKeyFile) -> Option<String> {
        let text = file.read().await.unwrap()?;
        Some(SigningKey::parse(&text).unwrap().kid().to_owned())
    }

    #[tokio::test]
    async fn a_key_is_read_after_it_was_written_until_another_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = SigningKeyFile::new(folder.path().join("key.json"));
        assert_eq!(kid(&file).await, None);
        for _ in 0..2 {
            let key = SigningKey::generate().unwrap();
            file.replace(&key.to_jwk().unwrap()).await.unwrap();
            assert_eq!(kid(&file).await.as_deref(), Some(key.kid()));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_interrupted_rotation_does_not_block_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = SigningKeyFile::new(folder.path().join("key.json"));
        fs::write(folder.path().join("key.new"), "half a k").unwrap();
        let key = SigningKey::generate().unwrap();
        file.replace(&key.to_jwk().unwrap()).await.unwrap();
        assert_eq!(kid(&file).await.as_deref(), Some(key.kid()));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_its_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let key = SigningKey::generate().unwrap();
        SigningKeyFile::new(path.clone()).replace(&key.to_jwk().unwrap()).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn an_unreadable_file_does_not_mean_a_missing_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = SigningKeyFile::new(folder.path().to_owned());
        assert_eq!(file.read().await.unwrap_err().class, FailureClass::Unavailable);
    }
}
