//! Password hashes by Argon2id.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use application::outcome::{Failure, FailureClass};
use application::ports::PasswordHasher;
use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use domain::account::PasswordHash;
use platform::settings::Settings;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::spawn_blocking;

/// The cost of one hash.
///
/// It may be raised at any time: a login replaces a cheaper hash, and until then a wrong password
/// takes as long as for a new hash. Lowering it does not replace more expensive hashes, because a
/// well protected password must not become less protected. Until such a password is changed, a
/// wrong one takes longer for its account than for others, which reveals that the account exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB: at least 46 MiB for one pass, 19 MiB for two and 12 MiB for more, at most
    /// 4 GiB.
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 64.
    pub passes: u32,
}

/// A cost is below the minimum of OWASP ASVS 5.0 (Appendix C), or more than can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash must cost 1 pass over 46 MiB, 2 over 19 MiB or 3 over 12 MiB, or more")]
pub struct InvalidHashCost;

/// The most passes that a setting may ask for: Lambda has no time for more.
const PASSES_MAX: u32 = 64;

/// The most memory in KiB that a setting may ask for: Lambda has no memory for more.
const MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;

impl HashCost {
    /// OWASP's recommendation where memory is scarce: 19 MiB, two passes.
    pub const RECOMMENDED: Self = Self { memory_kib: 19_456, passes: 2 };

    /// Reads `ARGON2_PASSES`, by default 2, and `ARGON2_MEMORY_KIB`, by default OWASP's minimum for
    /// that number of passes. A wrong setting is recorded as a fault, and its default is used.
    pub fn read(settings: &mut Settings) -> Self {
        let passes = settings.or_default("ARGON2_PASSES", Self::RECOMMENDED.passes, passes);
        let least = Self { memory_kib: memory_floor_kib(passes), passes };
        settings.or_default("ARGON2_MEMORY_KIB", least, |text| {
            let cost = Self { memory_kib: text.parse().map_err(|_| InvalidHashCost)?, passes };
            cost.checked()
        })
    }

    fn checked(self) -> Result<Self, InvalidHashCost> {
        let enough = (1..=PASSES_MAX).contains(&self.passes)
            && (memory_floor_kib(self.passes)..=MEMORY_KIB_MAX).contains(&self.memory_kib);
        if enough { Ok(self) } else { Err(InvalidHashCost) }
    }

    /// The work of a hash, in KiB filled over all passes. Its time is proportional to it.
    fn work(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }
}

impl fmt::Display for HashCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passes over {} KiB", self.passes, self.memory_kib)
    }
}

/// The least memory that OWASP ASVS 5.0 requires with this number of passes (Appendix C).
const fn memory_floor_kib(passes: u32) -> u32 {
    match passes {
        0 | 1 => 47_104,
        2 => 19_456,
        _ => 12_288,
    }
}

fn passes(text: &str) -> Result<u32, String> {
    let invalid = || format!("write a number of passes, 1 to {PASSES_MAX}");
    let passes = text.parse().map_err(|_| invalid())?;
    if (1..=PASSES_MAX).contains(&passes) { Ok(passes) } else { Err(invalid()) }
}

/// Why no password can be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// The cost is below OWASP's minimum or more than can be computed.
    #[error(transparent)]
    Cost(#[from] InvalidHashCost),
    /// The operating system gave no random bytes.
    #[error("could not get random bytes")]
    Random(#[source] getrandom::Error),
}

/// Hashes and verifies passwords with Argon2id, one lane (RFC 9106).
///
/// A hash takes its memory and some 20 ms of a whole processor. It runs on a thread for blocking
/// work, so that no other task waits for it. Clones share the memory and compute one hash at a
/// time: Lambda gives an instance one request at a time.
#[derive(Debug, Clone)]
pub struct Argon2idHasher {
    cost: HashCost,
    params: Params,
    memory: Memory,
    /// A hash that matches no password, of the same cost as any other. It is verified when there is
    /// no account, so that the answer takes the same time.
    unmatchable: PasswordHash,
}

impl Argon2idHasher {
    /// A hasher that makes hashes of this cost. Verifying a hash costs what that hash says.
    ///
    /// # Errors
    ///
    /// [`HasherError`] if the cost is not allowed, or there are no random bytes.
    pub fn new(cost: HashCost) -> Result<Self, HasherError> {
        let cost = cost.checked()?;
        let params = params(cost.memory_kib, cost.passes)?;
        let unmatchable = unmatchable_hash(&params)?;
        Ok(Self { cost, params, memory: Memory::default(), unmatchable })
    }

    /// The work that a cheaper hash saved, if it is enough for Argon2id to do it.
    fn saved_by(&self, hash: &PasswordHash) -> Option<HashCost> {
        let saved = self.cost.work().saturating_sub(cost_of(hash)?.work());
        let saved = u32::try_from(saved).unwrap_or(u32::MAX);
        let memory_kib = saved.min(self.cost.memory_kib);
        (saved >= Params::MIN_M_COST)
            .then(|| HashCost { memory_kib, passes: saved.div_ceil(memory_kib) })
    }

    /// Does the work that a cheaper hash saved. Otherwise the time of a wrong guess would reveal
    /// which accounts exist and had no login since the cost was raised.
    fn do_saved_work(&self, hash: &PasswordHash, password: &SecretString) -> Result<(), Failure> {
        let Some(saved) = self.saved_by(hash) else { return Ok(()) };
        let params = params(saved.memory_kib, saved.passes).map_err(not_a_hash)?;
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.memory.compute(params, password, &[0; SALT_LENGTH], &mut output)
    }
}

impl PasswordHasher for Argon2idHasher {
    async fn verify(
        &self,
        password: SecretString,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, Failure> {
        let hasher = self.clone();
        let is_known = hash.is_some();
        let hash = hash.unwrap_or(&self.unmatchable).clone();
        let verify = move || {
            let matches = hasher.memory.matches(&password, &hash)?;
            if !matches {
                hasher.do_saved_work(&hash, &password)?;
            }
            Ok::<_, Failure>(matches)
        };
        let matches = spawn_blocking(verify).await.map_err(unavailable)??;
        Ok(is_known && matches)
    }

    async fn hash(&self, password: SecretString) -> Result<PasswordHash, Failure> {
        let hasher = self.clone();
        let hash = move || {
            let salt: [u8; SALT_LENGTH] = random().map_err(unavailable)?;
            let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
            hasher.memory.compute(hasher.params.clone(), &password, &salt, &mut output)?;
            phc_string(&hasher.params, &salt, &output).map_err(unavailable)
        };
        spawn_blocking(hash).await.map_err(unavailable)?
    }

    fn is_outdated(&self, hash: &PasswordHash) -> bool {
        cost_of(hash).is_none_or(|cost| cost.work() < self.cost.work())
    }
}

/// The memory in which hashes are computed. If each thread of the blocking pool allocated its own,
/// each would keep it in a separate arena (glibc's `malloc`), and an instance's memory would grow
/// with the number of threads.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<Block>>>);

impl Memory {
    fn compute(
        &self,
        params: Params,
        password: &SecretString,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failure> {
        // Every block is written before it is read, so the previous hash has no influence.
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = params.block_count();
        if blocks.len() < needed {
            blocks.resize(needed, Block::default());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let password = password.expose_secret().as_bytes();
        argon2
            .hash_password_into_with_memory(password, salt, output, blocks.as_mut_slice())
            .map_err(unavailable)
    }

    fn matches(&self, password: &SecretString, hash: &PasswordHash) -> Result<bool, Failure> {
        let hash = phc::PasswordHash::new(hash.as_phc()).map_err(not_a_hash)?;
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
            return Err(not_a_hash("it has no salt or no output"));
        };
        if hash.algorithm != Algorithm::Argon2id.ident()
            || hash.version != Some(Version::V0x13.into())
        {
            return Err(not_a_hash("it is not an Argon2id hash of version 19"));
        }
        let params = Params::try_from(&hash).map_err(not_a_hash)?;
        let mut output = vec![0; expected.len()];
        self.compute(params, password, salt.as_ref(), &mut output)?;
        // This comparison takes constant time.
        Ok(Output::new(&output).map_err(not_a_hash)? == expected)
    }
}

fn params(memory_kib: u32, passes: u32) -> Result<Params, InvalidHashCost> {
    Params::new(memory_kib, passes, 1, None).map_err(|_| InvalidHashCost)
}

/// The cost of a hash, if it is one of ours.
fn cost_of(hash: &PasswordHash) -> Option<HashCost> {
    let hash = phc::PasswordHash::new(hash.as_phc()).ok()?;
    let params = Params::try_from(&hash).ok()?;
    (params.p_cost() == 1)
        .then(|| HashCost { memory_kib: params.m_cost(), passes: params.t_cost() })
}

/// The length of a salt in bytes, as RFC 9106 recommends (section 3.1).
const SALT_LENGTH: usize = 16;

/// A hash that no password has: its output is random. It is made without hashing, and verifying it
/// costs as much as any hash with these parameters.
fn unmatchable_hash(params: &Params) -> Result<PasswordHash, HasherError> {
    let salt: [u8; SALT_LENGTH] = random().map_err(HasherError::Random)?;
    let output: [u8; Params::DEFAULT_OUTPUT_LEN] = random().map_err(HasherError::Random)?;
    Ok(phc_string(params, &salt, &output)?)
}

/// A hash in the PHC string format.
fn phc_string(
    params: &Params,
    salt: &[u8],
    output: &[u8],
) -> Result<PasswordHash, InvalidHashCost> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| InvalidHashCost)?,
        salt: Some(Salt::new(salt).map_err(|_| InvalidHashCost)?),
        hash: Some(Output::new(output).map_err(|_| InvalidHashCost)?),
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
        let hash = hasher.hash(secret("correct-horse")).await.unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hasher.verify(secret("correct-horse"), Some(&hash)).await.unwrap());
        for wrong in ["correct-horse ", "Correct-horse", "", "correct-horse\0"] {
            assert!(!hasher.verify(secret(wrong), Some(&hash)).await.unwrap(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let hasher = hasher();
        let one = hasher.hash(secret("correct-horse")).await.unwrap();
        assert!(one != hasher.hash(secret("correct-horse")).await.unwrap());
    }

    #[tokio::test]
    async fn without_an_account_no_password_matches_and_the_cost_is_the_same() {
        let hasher = hasher();
        assert!(!hasher.verify(secret("correct-horse"), None).await.unwrap());
        let known = hasher.hash(secret("correct-horse")).await.unwrap();
        let known = phc::PasswordHash::new(known.as_phc()).unwrap();
        let unmatchable = phc::PasswordHash::new(hasher.unmatchable.as_phc()).unwrap();
        assert_eq!(unmatchable.params, known.params);
        assert_eq!(unmatchable.version, known.version);
        assert_eq!(unmatchable.algorithm, known.algorithm);
        assert_eq!(unmatchable.hash.map(|h| h.len()), known.hash.map(|h| h.len()));
        assert_eq!(unmatchable.salt.map(|s| s.len()), known.salt.map(|s| s.len()));
    }

    #[tokio::test]
    async fn a_text_that_is_not_an_argon2id_hash_is_a_permanent_failure() {
        let known = hasher().hash(secret("correct-horse")).await.unwrap();
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
            assert!(matches!(cost(passes, memory_kib), Err(HasherError::Cost(_))), "{passes}");
        }
        for (passes, memory_kib) in [(1, 47_104), (2, 19_456), (3, 12_288), (4, 12_288)] {
            assert!(cost(passes, memory_kib).is_ok(), "{passes}");
        }
    }

    #[tokio::test]
    async fn a_cheaper_hash_is_outdated_a_more_expensive_one_is_not_and_both_are_verified() {
        let expensive = Argon2idHasher::new(HashCost { memory_kib: 19_456, passes: 3 }).unwrap();
        let hash = hasher().hash(secret("correct-horse")).await.unwrap();
        assert!(!hasher().is_outdated(&hash));
        assert!(expensive.is_outdated(&hash));
        let expensive_hash = expensive.hash(secret("correct-horse")).await.unwrap();
        assert!(!hasher().is_outdated(&expensive_hash));
        assert!(hasher().verify(secret("correct-horse"), Some(&expensive_hash)).await.unwrap());
        assert!(hasher().is_outdated(&PasswordHash::from_phc("plain".to_owned())));
        assert!(expensive.verify(secret("correct-horse"), Some(&hash)).await.unwrap());
        assert!(!expensive.verify(secret("another-horse"), Some(&hash)).await.unwrap());
        let rehashed = expensive.hash(secret("correct-horse")).await.unwrap();
        assert!(!expensive.is_outdated(&rehashed));
    }

    #[tokio::test]
    async fn a_wrong_password_costs_as_much_where_the_hash_is_cheaper() {
        let expensive = Argon2idHasher::new(HashCost { memory_kib: 19_456, passes: 16 }).unwrap();
        let cheap_hash = hasher().hash(secret("correct-horse")).await.unwrap();
        let expensive_hash = expensive.hash(secret("correct-horse")).await.unwrap();
        let saved = expensive.saved_by(&cheap_hash).unwrap();
        assert_eq!(saved, HashCost { memory_kib: 19_456, passes: 14 });
        assert_eq!(expensive.saved_by(&expensive_hash), None);
        assert_eq!(hasher().saved_by(&expensive_hash), None);
        assert!(!expensive.verify(secret("another-horse"), Some(&cheap_hash)).await.unwrap());
    }

    #[tokio::test]
    async fn long_passwords_that_differ_in_their_last_byte_are_distinguished() {
        let long = "x".repeat(72);
        let hash = hasher().hash(secret(&format!("{long}a"))).await.unwrap();
        assert!(!hasher().verify(secret(&format!("{long}b")), Some(&hash)).await.unwrap());
        assert!(!hasher().verify(secret(&long), Some(&hash)).await.unwrap());
    }

    #[test]
    fn the_cost_is_read_from_the_environment_and_never_below_the_floor() {
        let read = |pairs: &[(&str, &str)]| {
            let mut settings = Settings::from_pairs(pairs.iter().copied());
            let cost = HashCost::read(&mut settings);
            settings.finish(Some(cost)).map_err(|faults| faults.to_string())
        };
        assert_eq!(read(&[]), Ok(HashCost::RECOMMENDED));
        let one_pass = HashCost { memory_kib: 47_104, passes: 1 };
        assert_eq!(read(&[("ARGON2_PASSES", "1")]), Ok(one_pass));
        let three_passes = HashCost { memory_kib: 65_536, passes: 3 };
        assert_eq!(
            read(&[("ARGON2_PASSES", "3"), ("ARGON2_MEMORY_KIB", "65536")]),
            Ok(three_passes)
        );
        for (name, text) in [
            ("ARGON2_PASSES", "0"),
            ("ARGON2_PASSES", "many"),
            ("ARGON2_MEMORY_KIB", "19455"),
            ("ARGON2_MEMORY_KIB", "4294967295"),
        ] {
            assert!(read(&[(name, text)]).unwrap_err().contains(name), "{name}={text}");
        }
    }
}
