//! Refresh tokens.

use application::outcome::{Failure, FailureClass};
use application::ports::RefreshTokenSource;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Makes the secrets of refresh tokens from 256 random bits (RFC 6749, section 10.10, requires at
/// least 128), and their successors by HMAC-SHA-256 with the token as the key (RFC 2104).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomRefreshTokens;

impl RefreshTokenSource for RandomRefreshTokens {
    fn secret(&self) -> Result<SecretString, Failure> {
        let mut bits = Zeroizing::new([0; 32]);
        getrandom::fill(bits.as_mut_slice())
            .map_err(|error| Failure::new(FailureClass::Unavailable, error))?;
        Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bits.as_slice())))
    }

    fn successor(&self, token: &SecretString, salt: &str) -> Result<SecretString, Failure> {
        // The key is the token itself, not its hash, because the table contains that hash.
        let key = token.expose_secret().as_bytes();
        let mut code = Hmac::<Sha256>::new_from_slice(key)
            .map_err(|error| Failure::new(FailureClass::Permanent, error))?;
        code.update(salt.as_bytes());
        let bits = Zeroizing::new(<[u8; 32]>::from(code.finalize().into_bytes()));
        Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bits.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_43_characters_of_base64url_and_no_two_are_equal() {
        let secret = || RandomRefreshTokens.secret().unwrap().expose_secret().to_owned();
        let (one, other) = (secret(), secret());
        assert_eq!(one.len(), 43);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(one, other);
    }

    #[test]
    fn a_successor_depends_on_the_token_and_the_salt() {
        let successor = |token: &str, salt| {
            let token = SecretString::from(token.to_owned());
            RandomRefreshTokens.successor(&token, salt).unwrap().expose_secret().to_owned()
        };
        assert_eq!(successor("token", "salt"), successor("token", "salt"));
        assert_ne!(successor("token", "salt"), successor("token", "another"));
        assert_ne!(successor("token", "salt"), successor("another", "salt"));
        assert_eq!(successor("token", "salt").len(), 43);
        // RFC 4231, test case 2.
        let known = successor("Jefe", "what do ya want for nothing?");
        assert_eq!(known, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
    }
}
