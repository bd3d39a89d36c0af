use application::outcome::{Failure, FailureClass};
use application::ports::{AccessToken, AccessTokenIssuer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identity::UserId;
use domain::instant::Instant;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::SecretString;

use super::{AUDIENCE, Claims, ISSUER, LIFETIME, TOKEN_TYPE};
use crate::signing_key::SigningKey;

/// Issues access tokens that are good for [`LIFETIME`].
pub struct Ed25519TokenIssuer {
    header: Header,
    key: EncodingKey,
}

impl Ed25519TokenIssuer {
    /// An issuer that signs with a key.
    pub fn new(key: &SigningKey) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        Self { header, key: key.encoding_key() }
    }
}

impl AccessTokenIssuer for Ed25519TokenIssuer {
    fn issue(&self, user_id: UserId, now: Instant) -> Result<AccessToken, Failure> {
        let mut token_id = [0; 16];
        getrandom::fill(&mut token_id)
            .map_err(|error| Failure::new(FailureClass::Unavailable, error))?;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user_id.to_string(),
            aud: AUDIENCE.to_owned(),
            client_id: ISSUER.to_owned(),
            jti: URL_SAFE_NO_PAD.encode(token_id),
            iat: now.as_secs(),
            nbf: None,
            exp: now.plus(LIFETIME).as_secs(),
        };
        let token = encode(&self.header, &claims, &self.key)
            .map_err(|error| Failure::new(FailureClass::Permanent, error))?;
        Ok(AccessToken { token: SecretString::from(token), expires_in: LIFETIME })
    }
}
