//! Passwords, tokens and keys without secrecy.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::outcome::{Failure, FailureClass};
use application::ports::{
    AccessToken, AccessTokenIssuer, Bearer, PasswordHasher, PublishedKeys, RefreshTokenSource,
    SigningKeyGenerator, SigningKeySource, SigningKeyStore, TokenHash, VerificationKey,
    VerificationKeyStore, VerificationKeys,
};
use domain::account::PasswordHash;
use domain::timestamp::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// How long a verification takes: as long as with a costly hash, so that concurrent logins overlap.
const VERIFICATION: Duration = Duration::from_millis(100);

/// "Hashes" a password by writing its cost before it, and counts the verified passwords. Clones
/// share the count and the cost.
#[derive(Debug, Clone, Default)]
pub struct PlainHasher {
    cost: Arc<AtomicU32>,
    verified: Arc<AtomicU64>,
}

impl PlainHasher {
    /// Sets the cost of every hash from now on. Hashes of a lower cost are outdated.
    pub fn set_cost(&self, cost: u32) {
        self.cost.store(cost, Ordering::SeqCst);
    }

    /// How many passwords were verified, including those without a hash to compare with.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::SeqCst)
    }

    fn cost(&self) -> u32 {
        self.cost.load(Ordering::SeqCst)
    }
}

impl PasswordHasher for PlainHasher {
    async fn verify(
        &self,
        password: SecretString,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, Failure> {
        self.verified.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(VERIFICATION).await;
        let known = hash.and_then(|hash| hash.as_phc().split_once('$'));
        Ok(known.is_some_and(|(_, plain)| plain == password.expose_secret()))
    }

    async fn hash(&self, password: SecretString) -> Result<PasswordHash, Failure> {
        Ok(PasswordHash::from_phc(format!("{}${}", self.cost(), password.expose_secret())))
    }

    fn is_outdated(&self, hash: &PasswordHash) -> bool {
        let cost = hash.as_phc().split_once('$').and_then(|(cost, _)| cost.parse::<u32>().ok());
        cost.is_none_or(|cost| cost < self.cost())
    }
}

/// Numbers access tokens and refresh tokens from 1. Clones share the counter.
#[derive(Debug, Clone, Default)]
pub struct NumberedTokens(Arc<AtomicU64>);

impl NumberedTokens {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl AccessTokenIssuer for NumberedTokens {
    async fn issue(&self, bearer: Bearer, _: Timestamp) -> Result<AccessToken, Failure> {
        let Bearer { user_id, session_id } = bearer;
        let token = SecretString::from(format!("access {} {user_id} {session_id}", self.next()));
        Ok(AccessToken { token, expires_in: Duration::from_secs(900) })
    }
}

impl RefreshTokenSource for NumberedTokens {
    fn secret(&self) -> Result<SecretString, Failure> {
        Ok(SecretString::from(format!("refresh {}", self.next())))
    }

    fn successor(&self, token: &SecretString, salt: &str) -> Result<SecretString, Failure> {
        let follows = TokenHash::of(&format!("{salt} {}", token.expose_secret()));
        Ok(SecretString::from(follows.to_string()))
    }
}

/// Signing keys with numbers as names: the private one, and the published ones. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeys(Arc<Mutex<Keys>>);

#[derive(Debug, Default)]
struct Keys {
    made: u8,
    signing: Option<String>,
    published: Vec<VerificationKey>,
    signing_is_away: bool,
}

impl MemoryKeys {
    /// The signing key; `None` before the first one is stored.
    pub fn signing(&self) -> Option<String> {
        self.0.lock().unwrap().signing.clone()
    }

    /// While `unavailable` is set, the private key cannot be replaced.
    pub fn make_signing_key_store_unavailable(&self, unavailable: bool) {
        self.0.lock().unwrap().signing_is_away = unavailable;
    }
}

impl SigningKeyGenerator for MemoryKeys {
    fn generate(&self) -> Result<(SecretString, VerificationKey), Failure> {
        let mut keys = self.0.lock().unwrap();
        keys.made += 1;
        let kid = format!("key {}", keys.made);
        let public =
            VerificationKey { kid: kid.clone(), public_key: [keys.made; 32], retires_at: None };
        Ok((SecretString::from(kid), public))
    }
}

impl SigningKeySource for MemoryKeys {
    async fn read(&self) -> Result<Option<SecretString>, Failure> {
        Ok(self.signing().map(SecretString::from))
    }
}

impl SigningKeyStore for MemoryKeys {
    async fn replace(&self, key: &SecretString) -> Result<(), Failure> {
        let mut keys = self.0.lock().unwrap();
        if keys.signing_is_away {
            return Err(Failure::new(FailureClass::Unavailable, "away on demand"));
        }
        let kid = key.expose_secret().to_owned();
        let is_published = keys.published.iter().any(|key| key.kid == kid);
        assert!(is_published, "{kid} would sign what nobody can verify");
        keys.signing = Some(kid);
        Ok(())
    }
}

impl PublishedKeys for MemoryKeys {
    async fn all(&self, now: Timestamp) -> Result<Vec<VerificationKey>, Failure> {
        let keys = self.0.lock().unwrap();
        Ok(keys.published.iter().filter(|key| !key.is_retired(now)).cloned().collect())
    }
}

impl VerificationKeys for MemoryKeys {
    async fn by_kid(&self, kid: &str) -> Result<Option<VerificationKey>, Failure> {
        Ok(self.0.lock().unwrap().published.iter().find(|key| key.kid == kid).cloned())
    }
}

impl VerificationKeyStore for MemoryKeys {
    async fn put(&self, key: &VerificationKey) -> Result<(), Failure> {
        let mut keys = self.0.lock().unwrap();
        keys.published.retain(|known| known.kid != key.kid);
        keys.published.push(key.clone());
        Ok(())
    }
}
