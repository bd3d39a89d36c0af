//! Who orders.

use std::fmt;

use crate::identity::UserId;

/// An e-mail address in the form in which accounts are compared: trimmed and in lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// A text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most {} bytes", EmailAddress::LENGTH_MAX)]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// The longest address in bytes (RFC 5321, section 4.5.3.1.3: a path of 256 with its brackets).
    pub const LENGTH_MAX: usize = 254;

    /// Reads an address: something before and after one `@`, without spaces or control characters.
    /// Whether mail arrives there only a mail can tell, so no more is checked.
    ///
    /// # Errors
    ///
    /// [`InvalidEmailAddress`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        let address = text.trim().to_lowercase();
        let well_formed = address.split_once('@').is_some_and(|(local, host)| {
            !local.is_empty() && !host.is_empty() && !host.contains('@')
        }) && address.len() <= Self::LENGTH_MAX
            && !address.chars().any(|c| c.is_whitespace() || c.is_control());
        if well_formed { Ok(Self(address)) } else { Err(InvalidEmailAddress) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows that there is an address, not which: it is personal data, and `Debug` ends up in logs.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

/// An account as login needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub user_id: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// Its password's hash.
    pub password_hash: PasswordHash,
}

/// A password's hash in the PHC string format.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a PHC string that a hasher made.
    pub const fn from_phc(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

/// Shows that there is a hash, not which.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_without_case_and_surrounding_space() {
        assert_eq!(
            EmailAddress::parse(" Demo@Example.COM ").unwrap(),
            EmailAddress::parse("demo@example.com").unwrap()
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "demo", "@example.com", "demo@", "a@b@c", "de mo@example.com", "a\r\n@b"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@example.com", "a".repeat(250))).is_err());
    }

    #[test]
    fn neither_address_nor_hash_shows_in_debug_output() {
        let account = Account {
            user_id: UserId::new(1).unwrap(),
            email: EmailAddress::parse("demo@example.com").unwrap(),
            password_hash: PasswordHash::from_phc("$argon2id$secret".to_owned()),
        };
        let shown = format!("{account:?}");
        assert!(!shown.contains("demo@") && !shown.contains("secret"), "{shown}");
    }
}
