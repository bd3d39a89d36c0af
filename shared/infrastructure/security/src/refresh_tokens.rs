//! Refresh tokens.

use application::outcome::{Failure, FailureClass};
use application::ports::RefreshTokenSource;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

/// Makes refresh tokens of 256 random bits (RFC 6749, section 10.10, asks for 128 at least).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomRefreshTokens;

impl RefreshTokenSource for RandomRefreshTokens {
    fn refresh_token(&self) -> Result<SecretString, Failure> {
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
    fn a_token_has_43_characters_of_base64url_and_none_comes_twice() {
        let token = || RandomRefreshTokens.refresh_token().unwrap().expose_secret().to_owned();
        let (one, other) = (token(), token());
        assert_eq!(one.len(), 43);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(one, other);
    }
}
