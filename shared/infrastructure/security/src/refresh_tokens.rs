//! Refresh tokens.

use application::outcome::{Failure, FailureClass};
use application::ports::RefreshTokenSource;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

/// Makes refresh tokens' secrets of 256 random bits (RFC 6749, section 10.10, asks for 128 at least).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomRefreshTokens;

impl RefreshTokenSource for RandomRefreshTokens {
    fn secret(&self) -> Result<SecretString, Failure> {
        let mut bits = Zeroizing::new([0; 32]);
        getrandom::fill(bits.as_mut_slice())
            .map_err(|error| Failure::new(FailureClass::Unavailable, error))?;
        Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bits.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_has_43_characters_of_base64url_and_none_comes_twice() {
        let secret = || RandomRefreshTokens.secret().unwrap().expose_secret().to_owned();
        let (one, other) = (secret(), secret());
        assert_eq!(one.len(), 43);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(one, other);
    }
}
