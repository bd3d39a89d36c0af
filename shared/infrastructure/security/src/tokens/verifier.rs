use application::lifetimes::ACCESS_TOKEN_LEEWAY;
use application::ports::{
    AccessTokenVerifier, Bearer, InvalidToken, VerificationKey, VerificationKeys, VerifyTokenError,
};
use domain::timestamp::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::{AUDIENCE, Claims, ISSUER, TOKEN_LENGTH_MAX, TOKEN_TYPE, is_key_name};

/// Verifies access tokens with the deployment's public keys.
///
/// Keys or their URLs in a token (`jku`, `jwk`, `x5u`, `x5c`) are ignored (RFC 8725, section 3.10).
/// Only its `kid` is used, and looked up in `Keys`.
#[derive(Debug, Clone)]
pub struct Ed25519TokenVerifier<Keys> {
    keys: Keys,
    validation: Validation,
}

impl<Keys: VerificationKeys> Ed25519TokenVerifier<Keys> {
    /// A verifier with the public keys in `keys`.
    pub fn new(keys: Keys) -> Self {
        // The algorithm is fixed here; a token never chooses it (RFC 8725, sections 3.1 and 3.2).
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The library would use its own clock; `check_times` uses the caller's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { keys, validation }
    }

    fn claims(&self, token: &str, key: &VerificationKey) -> Result<Claims, InvalidToken> {
        let key = DecodingKey::from_ed_der(&key.public_key);
        let token = decode::<Claims>(token, &key, &self.validation)
            .map_err(|error| invalid(format!("{:?}", error.kind())))?;
        Ok(token.claims)
    }
}

impl<Keys: VerificationKeys> AccessTokenVerifier for Ed25519TokenVerifier<Keys> {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Bearer, VerifyTokenError> {
        let kid = key_name(token)?;
        let key = self.keys.by_kid(&kid).await.map_err(VerifyTokenError::KeysUnavailable)?;
        let key = key.ok_or_else(|| invalid("no key has that kid"))?;
        if key.is_retired(now) {
            return Err(invalid("its key is retired").into());
        }
        let claims = self.claims(token, &key)?;
        check_times(&claims, now)?;
        Ok(Bearer {
            user_id: claims.sub.parse().map_err(|_| invalid("sub is not a user id"))?,
            session_id: claims.sid.parse().map_err(|_| invalid("sid is not a session id"))?,
        })
    }
}

/// The name of the key with which a token claims to be signed, if its header could be ours.
fn key_name(token: &str) -> Result<String, InvalidToken> {
    if token.len() > TOKEN_LENGTH_MAX {
        return Err(invalid(format!("it is longer than {TOKEN_LENGTH_MAX} bytes")));
    }
    let header = decode_header(token).map_err(|_| invalid("its header can't be read"))?;
    if header.alg != Algorithm::EdDSA {
        return Err(invalid("alg is not EdDSA"));
    }
    // RFC 9068, section 4, allows the full media type as well; RFC 7515, section 4.1.9, any case.
    let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
    if typ.strip_prefix("application/").unwrap_or(&typ) != TOKEN_TYPE {
        return Err(invalid(format!("typ is not {TOKEN_TYPE}")));
    }
    // RFC 7515, section 4.1.11: critical extensions must be understood, and we support none.
    if header.crit.is_some() {
        return Err(invalid("it has critical extensions"));
    }
    let kid = header.kid.unwrap_or_default();
    if is_key_name(&kid) { Ok(kid) } else { Err(invalid("kid is not a key's name")) }
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), VerifyTokenError> {
    // The leeway is a minute, so the conversion and the sums cannot overflow.
    let leeway = i64::try_from(ACCESS_TOKEN_LEEWAY.as_secs()).unwrap_or(0);
    let latest_start = now.as_secs().saturating_add(leeway);
    if claims.exp <= now.as_secs().saturating_sub(leeway) {
        return Err(invalid("it has expired").into());
    }
    if claims.iat > latest_start {
        // The signature is good, so no stranger can cause this.
        return Err(VerifyTokenError::ClocksDiffer(claims.iat.saturating_sub(now.as_secs())));
    }
    if claims.nbf.is_some_and(|nbf| nbf > latest_start) {
        return Err(invalid("it is not valid yet").into());
    }
    Ok(())
}

fn invalid(why: impl Into<String>) -> InvalidToken {
    InvalidToken(why.into())
}
