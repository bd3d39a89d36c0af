//! Passwords.

use application::outcome::{Failure, FailureClass};
use application::ports::PasswordVerifier;
use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::user::PasswordHash;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::spawn_blocking;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl HashCost {
    /// What OWASP recommends where memory is scarce: 19 MiB, two passes.
    pub const RECOMMENDED: Self = Self { memory_kib: 19_456, passes: 2 };

    /// Whether a hash costs at least what OWASP ASVS 5.0 asks for (Appendix C).
    const fn is_enough(self) -> bool {
        let floor_kib = match self.passes {
            0 => return false,
            1 => 47_104,
            2 => 19_456,
            _ => 12_288,
        };
        self.memory_kib >= floor_kib
    }
}

/// A hasher could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// The cost is less than OWASP ASVS 5.0 asks for (Appendix C), or more than can be computed.
    #[error("a hash must cost 1 pass over 46 MiB, 2 over 19 MiB or 3 over 12 MiB, or more")]
    Cost,
    /// The operating system gave no random bytes.
    #[error("no random bytes could be had")]
    Random(#[source] getrandom::Error),
}

/// Hashes and verifies passwords with Argon2id, one lane (RFC 9106).
///
/// A hash takes its memory and some 20 ms of a whole processor. It runs on a thread for blocking
/// work, so that nothing else waits for it.
#[derive(Debug, Clone)]
pub struct Argon2idHasher {
    argon2: Argon2<'static>,
    /// No password's hash, of the same cost as any other: verified where there is no account, so that
    /// the answer takes as long.
    nobody: PasswordHash,
}

impl Argon2idHasher {
    /// A hasher of that cost. What it verifies costs what the hash at hand says.
    ///
    /// # Errors
    ///
    /// [`HasherError`].
    pub fn new(cost: HashCost) -> Result<Self, HasherError> {
        if !cost.is_enough() {
            return Err(HasherError::Cost);
        }
        let params =
            Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|_| HasherError::Cost)?;
        let nobody = hash_of_nobody(&params)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Self { argon2, nobody })
    }

    /// A password's hash, under a new random salt. It blocks for as long as a hash takes.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes or not enough memory.
    pub fn hash(&self, password: &SecretString) -> Result<PasswordHash, Failure> {
        let salt: [u8; SALT_LENGTH] = random().map_err(unavailable)?;
        let hash = self
            .argon2
            .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
            .map_err(unavailable)?;
        Ok(PasswordHash::from_phc(hash.to_string()))
    }
}

impl PasswordVerifier for Argon2idHasher {
    async fn verify(
        &self,
        password: SecretString,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, Failure> {
        let argon2 = self.argon2.clone();
        let is_known = hash.is_some();
        let hash = hash.unwrap_or(&self.nobody).clone();
        let matches = spawn_blocking(move || matches(&argon2, &password, &hash))
            .await
            .map_err(unavailable)??;
        Ok(is_known && matches)
    }
}

/// Bytes of a salt, as RFC 9106 recommends (section 3.1).
const SALT_LENGTH: usize = 16;

fn matches(
    argon2: &Argon2<'_>,
    password: &SecretString,
    hash: &PasswordHash,
) -> Result<bool, Failure> {
    let hash = phc::PasswordHash::new(hash.as_phc()).map_err(not_a_hash)?;
    if hash.algorithm != Algorithm::Argon2id.ident() || hash.hash.is_none() {
        return Err(not_a_hash("it is not an Argon2id hash"));
    }
    match argon2.verify_password(password.expose_secret().as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(not_a_hash(error)),
    }
}

/// A hash that nothing hashes to: its output is random. Making it costs nothing, verifying it costs
/// what any hash of these parameters does.
fn hash_of_nobody(params: &Params) -> Result<PasswordHash, HasherError> {
    let salt: [u8; SALT_LENGTH] = random().map_err(HasherError::Random)?;
    let output: [u8; Params::DEFAULT_OUTPUT_LEN] = random().map_err(HasherError::Random)?;
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| HasherError::Cost)?,
        salt: Some(Salt::new(&salt).map_err(|_| HasherError::Cost)?),
        hash: Some(Output::new(&output).map_err(|_| HasherError::Cost)?),
    };
    Ok(PasswordHash::from_phc(hash.to_string()))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], getrandom::Error> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn unavailable(cause: impl Into<application::outcome::Cause>) -> Failure {
    Failure::new(FailureClass::Unavailable, cause)
}

fn not_a_hash(cause: impl Into<application::outcome::Cause>) -> Failure {
    Failure::new(FailureClass::Permanent, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> Argon2idHasher {
        Argon2idHasher::new(HashCost::RECOMMENDED).unwrap()
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let hasher = hasher();
        let hash = hasher.hash(&secret("correct-horse")).unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hasher.verify(secret("correct-horse"), Some(&hash)).await.unwrap());
        for wrong in ["correct-horse ", "Correct-horse", "", "correct-horse\0"] {
            assert!(!hasher.verify(secret(wrong), Some(&hash)).await.unwrap(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let hasher = hasher();
        let one = hasher.hash(&secret("correct-horse")).unwrap();
        assert!(one != hasher.hash(&secret("correct-horse")).unwrap());
    }

    #[tokio::test]
    async fn without_an_account_no_password_matches_and_the_cost_is_the_same() {
        let hasher = hasher();
        assert!(!hasher.verify(secret("correct-horse"), None).await.unwrap());
        let known = hasher.hash(&secret("correct-horse")).unwrap();
        let known = phc::PasswordHash::new(known.as_phc()).unwrap();
        let nobody = phc::PasswordHash::new(hasher.nobody.as_phc()).unwrap();
        assert_eq!(nobody.params, known.params);
        assert_eq!(nobody.version, known.version);
        assert_eq!(nobody.algorithm, known.algorithm);
        assert_eq!(nobody.hash.map(|h| h.len()), known.hash.map(|h| h.len()));
        assert_eq!(nobody.salt.map(|s| s.len()), known.salt.map(|s| s.len()));
    }

    #[tokio::test]
    async fn what_is_no_argon2id_hash_is_a_permanent_failure() {
        let known = hasher().hash(&secret("correct-horse")).unwrap();
        let argon2i = known.as_phc().replace("argon2id", "argon2i");
        let cut = known.as_phc().rsplit_once('$').unwrap().0.to_owned();
        for text in [String::new(), "plain".to_owned(), argon2i, cut] {
            let stored = PasswordHash::from_phc(text);
            let failure = hasher().verify(secret("x"), Some(&stored)).await.unwrap_err();
            assert_eq!(failure.class, FailureClass::Permanent);
        }
    }

    #[test]
    fn a_cost_below_the_floor_is_refused() {
        let cost = |passes, memory_kib| Argon2idHasher::new(HashCost { memory_kib, passes });
        for (passes, memory_kib) in [(0, 65_536), (1, 47_103), (2, 19_455), (3, 12_287)] {
            assert!(matches!(cost(passes, memory_kib), Err(HasherError::Cost)), "{passes}");
        }
        for (passes, memory_kib) in [(1, 47_104), (2, 19_456), (3, 12_288), (4, 12_288)] {
            assert!(cost(passes, memory_kib).is_ok(), "{passes}");
        }
    }
}
