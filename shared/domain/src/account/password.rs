use std::fmt;

use super::EmailAddress;
use super::email::comparable;

/// The minimum length, in characters, of a password that is the only factor (NIST SP 800-63B-4,
/// section 3.1.1.2).
pub const PASSWORD_LENGTH_MIN: usize = 15;

/// The maximum length of a password, in bytes of UTF-8: enough for any sentence, and hashing it
/// costs no more than hashing a short one.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The passwords of at least [`PASSWORD_LENGTH_MIN`] characters among the million most used, in
/// lower case and sorted, one a line. From `SecLists` (`common_passwords.LICENSE`).
const COMMON: &str = include_str!("common_passwords.txt");

/// Why a password is not accepted. Each message says what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    #[error("must have at least {PASSWORD_LENGTH_MIN} characters")]
    TooShort,
    #[error("must have at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// It is one of the most used passwords, which attackers try first.
    #[error("is among the most used passwords; choose another")]
    Common,
    #[error("must not contain the e-mail address")]
    ContainsEmail,
}

/// Checks whether a password is allowed.
///
/// Every character is allowed and counts, also spaces and emoji; there are no rules of composition
/// (NIST SP 800-63B-4, section 3.1.1.2; OWASP ASVS 5.0, 6.2.5 and 6.2.8). Case is ignored only in
/// the comparison with common passwords and with the address.
///
/// # Errors
///
/// [`PasswordFault`] if it is not.
pub fn check_password(password: &str, email: &EmailAddress) -> Result<(), PasswordFault> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordFault::TooLong);
    }
    if password.chars().count() < PASSWORD_LENGTH_MIN {
        return Err(PasswordFault::TooShort);
    }
    let folded = comparable(password);
    if folded.contains(email.key().as_str()) {
        return Err(PasswordFault::ContainsEmail);
    }
    if COMMON.lines().any(|common| common == folded) {
        return Err(PasswordFault::Common);
    }
    Ok(())
}

/// A password's hash in the PHC string format.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a PHC string that a hasher made. The string is not checked.
    pub const fn from_phc(phc: String) -> Self {
        Self(phc)
    }

    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

/// Hides the hash, because `Debug` output ends up in logs.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use PasswordFault::{Common, ContainsEmail, TooLong, TooShort};

    use super::*;

    #[test]
    fn a_password_is_accepted_by_its_length_and_not_by_its_composition() {
        let email = EmailAddress::parse("demo@example.com").unwrap();
        let check = |password: &str| check_password(password, &email);
        let long = "x".repeat(PASSWORD_BYTES_MAX);
        for (password, verdict) in [
            ("seven77", Err(TooShort)),
            ("eight888", Err(TooShort)),
            ("fourteen chars", Err(TooShort)),
            ("fifteen letters", Ok(())),
            ("               ", Ok(())),
            ("correct-horse-battery-staple", Ok(())),
            ("🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀", Err(TooShort)),
            ("🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀", Ok(())),
            ("a NUL is no end\0 of it", Ok(())),
            (&"sixty-four".repeat(7)[..64], Ok(())),
            (&"q!".repeat(64), Ok(())),
            (&long, Ok(())),
            (&format!("{long}x"), Err(TooLong)),
        ] {
            assert_eq!(check(password), verdict, "{password}");
        }
    }

    #[test]
    fn common_passwords_and_the_address_itself_are_refused_in_any_case() {
        let email = EmailAddress::parse("demo@example.com").unwrap();
        for password in
            ["passwordpassword", "PasswordPassword", "123456789012345", "QWERTY123456789"]
        {
            assert_eq!(check_password(password, &email), Err(Common), "{password}");
        }
        for password in ["my mail is demo@example.com", "DEMO@EXAMPLE.COM2026"] {
            assert_eq!(check_password(password, &email), Err(ContainsEmail), "{password}");
        }
        assert_eq!(check_password("demo at example.com", &email), Ok(()));
    }

    #[test]
    fn a_hash_is_kept_as_its_hasher_made_it() {
        let phc = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
        assert_eq!(PasswordHash::from_phc(phc.to_owned()).as_phc(), phc);
    }

    #[test]
    fn the_list_holds_thousands_of_passwords_that_are_long_enough() {
        let mut lines = 0;
        for line in COMMON.lines() {
            assert!(line.chars().count() >= PASSWORD_LENGTH_MIN, "{line}");
            lines += 1;
        }
        assert!(lines >= 3_000, "{lines}");
        assert!(COMMON.lines().is_sorted());
        assert!(COMMON.lines().all(|line| comparable(line) == line));
    }
}
