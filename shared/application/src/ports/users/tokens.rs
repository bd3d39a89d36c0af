use std::fmt;

use domain::identity::SessionId;
use domain::timestamp::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::hexadecimal;
use crate::outcome::Failure;

/// A refresh token: `<session_id>.<secret>`. It names its session, so that the session can be read
/// by its key. The secret has 256 random bits; the session's identifier is not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session that the token names.
    pub session: SessionId,
    /// The hash of the whole token.
    pub hash: TokenHash,
}

impl RefreshToken {
    /// A session's new token, as the client gets it.
    pub fn issued(session: SessionId, secret: &SecretString) -> SecretString {
        SecretString::from(format!("{session}.{}", secret.expose_secret()))
    }

    /// Reads a token from a text; `None` if the text can't be a token.
    pub fn read(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        let (session, _) = text.split_once('.')?;
        Some(Self { session: session.parse().ok()?, hash: TokenHash::of(text) })
    }
}

/// The SHA-256 of a refresh token or a mailed token, the only form in which it is stored. A token
/// has 256 random bits, so a fast hash is enough (OWASP ASVS 5.0, 11.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of the whole text of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// The hash with these hexadecimal digits, as [`fmt::Display`] writes them; `None` if the text
    /// is not a hash.
    pub fn from_hexadecimal(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let is_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != 2 * bytes.len() || !is_digits {
            return None;
        }
        for (position, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * position..2 * position + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether two hashes are the same, in a time that does not depend on where they differ.
    pub fn equals(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// A refresh token as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRecord {
    /// The hash of the token.
    pub hash: TokenHash,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Makes the secrets of refresh tokens and mailed tokens, which nobody can guess.
pub trait RefreshTokenSource: Send + Sync {
    /// The secret of a new token: 256 bits from the operating system, in 43 characters of
    /// base64url.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there are no random bytes.
    fn secret(&self) -> Result<SecretString, Failure>;

    /// The secret of a token's successor. With the same salt it is always the same. Without the
    /// token nobody can compute it, not even from the token's hash.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it can't be computed.
    fn successor(&self, token: &SecretString, salt: &str) -> Result<SecretString, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_from_its_digits() {
        let hash = TokenHash::of("token");
        assert_eq!(TokenHash::from_hexadecimal(&hash.to_string()), Some(hash));
        assert!(hash.equals(&hash) && !hash.equals(&TokenHash::of("another")));
        for text in ["", "00", &"g".repeat(64), &"+1".repeat(32), &"ü".repeat(32)] {
            assert_eq!(TokenHash::from_hexadecimal(text), None, "{text}");
        }
    }
}
