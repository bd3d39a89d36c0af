//! Our own tokens and forged ones. Each forgery changes one part of a valid token.

use application::outcome::{Failure, FailureClass};
use application::ports::{
    AccessTokenIssuer, AccessTokenVerifier, Bearer, VerificationKey, VerificationKeys,
    VerifyTokenError,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identity::{SessionId, UserId};
use domain::timestamp::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::signing_key::SigningKey;

const NOW: Timestamp = Timestamp::from_millis(1_767_268_800_000);

const SESSION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn bearer(user_id: u64) -> Bearer {
    let user_id = UserId::new(user_id).unwrap();
    Bearer { user_id, session_id: SESSION.parse::<SessionId>().unwrap() }
}

/// Holds one key, and fails the test if a name is looked up that no key could have.
struct OneKey(VerificationKey);

impl VerificationKeys for OneKey {
    async fn by_kid(&self, kid: &str) -> Result<Option<VerificationKey>, Failure> {
        assert!(is_key_name(kid), "{kid:?} got as far as the look-up");
        Ok((kid == self.0.kid).then(|| self.0.clone()))
    }
}

struct KeysAway;

impl VerificationKeys for KeysAway {
    async fn by_kid(&self, _: &str) -> Result<Option<VerificationKey>, Failure> {
        Err(Failure::new(FailureClass::Unavailable, "the table is away"))
    }
}

/// A token under construction.
struct Forgery {
    key: SigningKey,
    header: Value,
    claims: Value,
}

impl Forgery {
    /// A valid token.
    fn valid() -> Self {
        let key = SigningKey::generate().unwrap();
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid()});
        let seconds = NOW.as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "123", "client_id": ISSUER, "jti": "j",
            "iat": seconds, "exp": seconds + 900, "sid": SESSION,
        });
        Self { key, header, claims }
    }

    fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self.header.as_object_mut().unwrap().remove(name);
        self
    }

    fn message(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    fn signed_with(&self, key: &EncodingKey, algorithm: Algorithm) -> String {
        let message = self.message();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    fn signed(&self) -> String {
        self.signed_with(&self.key.encoding_key(), Algorithm::EdDSA)
    }

    async fn verify(&self, token: &str) -> Result<Bearer, VerifyTokenError> {
        let keys = OneKey(self.key.verification_key());
        Ed25519TokenVerifier::new(keys).verify(token, NOW).await
    }

    async fn is_refused(&self) -> bool {
        matches!(self.verify(&self.signed()).await, Err(VerifyTokenError::Invalid(_)))
    }
}

#[tokio::test]
async fn a_token_is_valid_for_its_user_until_it_expires() {
    let key = SigningKey::generate().unwrap();
    let bearer = bearer(9_007_199_254_740_991);
    let issued = Ed25519TokenIssuer::new(key.clone()).issue(bearer, NOW).await.unwrap();
    let verifier = Ed25519TokenVerifier::new(OneKey(key.verification_key()));
    let token = issued.token.expose_secret();
    let seconds = |n| std::time::Duration::from_secs(n);
    for later in [0, 899, 959] {
        assert_eq!(verifier.verify(token, NOW.plus(seconds(later))).await.unwrap(), bearer);
    }
    for later in [960, 961, 1_000_000] {
        let error = verifier.verify(token, NOW.plus(seconds(later))).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid access token: it has expired");
    }
    assert_eq!(issued.expires_in, seconds(900));
    assert!(token.len() < TOKEN_LENGTH_MAX / 4);
}

#[tokio::test]
async fn a_token_has_the_claims_that_rfc_9068_requires() {
    let key = SigningKey::generate().unwrap();
    let issued = Ed25519TokenIssuer::new(key.clone()).issue(bearer(123), NOW).await.unwrap();
    let part = |n: usize| -> Value {
        let part = issued.token.expose_secret().split('.').nth(n).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.kid()}));
    let mut claims = part(1);
    assert_eq!(claims["jti"].take().as_str().unwrap().len(), 22);
    assert_eq!(
        claims,
        json!({
            "iss": "urn:order-service", "sub": "123", "aud": "urn:order-service:api",
            "client_id": "urn:order-service", "jti": null, "sid": SESSION,
            "iat": 1_767_268_800, "exp": 1_767_269_700,
        })
    );
}

#[tokio::test]
async fn two_tokens_of_one_moment_differ() {
    let issuer = Ed25519TokenIssuer::new(SigningKey::generate().unwrap());
    let token = async || issuer.issue(bearer(1), NOW).await.unwrap().token;
    assert_ne!(token().await.expose_secret(), token().await.expose_secret());
}

#[tokio::test]
async fn a_token_that_we_could_have_issued_is_valid() {
    let seconds = NOW.as_secs();
    let good = [
        Forgery::valid(),
        Forgery::valid().header("typ", "application/at+jwt"),
        Forgery::valid().header("typ", "AT+JWT"),
        Forgery::valid().claim("iat", seconds + 60),
        Forgery::valid().claim("nbf", seconds + 60),
        Forgery::valid().claim("aud", json!(AUDIENCE)),
        // URLs of keys are not followed, so they have no effect.
        Forgery::valid().header("jku", "https://attacker.example/keys"),
        Forgery::valid().header("x5u", "https://attacker.example/cert"),
    ];
    for token in good {
        let verified = token.verify(&token.signed()).await;
        assert_eq!(verified.unwrap(), bearer(123), "{} {}", token.header, token.claims);
    }
}

#[tokio::test]
async fn a_forged_header_or_claim_is_refused_although_the_signature_is_valid() {
    let seconds = NOW.as_secs();
    let forgeries = [
        Forgery::valid().header("typ", "JWT"),
        Forgery::valid().header("typ", "id+jwt"),
        Forgery::valid().without("typ"),
        Forgery::valid().without("alg"),
        Forgery::valid().without("kid"),
        Forgery::valid().header("kid", ""),
        Forgery::valid().header("kid", "../../dev/null"),
        Forgery::valid().header("kid", "https://attacker.example/key"),
        Forgery::valid().header("kid", "a' OR '1'='1"),
        Forgery::valid().header("kid", "k".repeat(65)),
        Forgery::valid().header("kid", "another"),
        Forgery::valid().header("kid", 7),
        Forgery::valid().header("crit", json!(["exp"])),
        Forgery::valid().claim("exp", seconds - 60),
        Forgery::valid().claim("exp", i64::MIN),
        Forgery::valid().claim("exp", "soon"),
        Forgery::valid().claim("exp", 1e300),
        Forgery::valid().without("exp"),
        Forgery::valid().without("iat"),
        Forgery::valid().claim("nbf", seconds + 61),
        Forgery::valid().claim("nbf", "later"),
        Forgery::valid().claim("aud", "urn:another:api"),
        Forgery::valid().claim("aud", ""),
        Forgery::valid().without("aud"),
        Forgery::valid().claim("iss", "urn:another"),
        Forgery::valid().without("iss"),
        Forgery::valid().claim("sub", "../123"),
        Forgery::valid().claim("sub", "9007199254740992"),
        Forgery::valid().claim("sub", 123),
        Forgery::valid().without("sub"),
        Forgery::valid().without("jti"),
        Forgery::valid().without("sid"),
        Forgery::valid().claim("sid", "../../sessions"),
        Forgery::valid().claim("jti", "x".repeat(TOKEN_LENGTH_MAX)),
    ];
    for forgery in forgeries {
        assert!(forgery.is_refused().await, "{} {}", forgery.header, forgery.claims);
    }
}

/// It can only be another clock's, and a stranger's token must not look like one.
#[tokio::test]
async fn a_token_from_the_future_is_a_fault_of_a_clock_only_if_we_have_signed_it() {
    for ahead in [61, i64::MAX - NOW.as_secs()] {
        let token = Forgery::valid().claim("iat", NOW.as_secs() + ahead);
        let another = SigningKey::generate().unwrap();
        let forged = token.signed_with(&another.encoding_key(), Algorithm::EdDSA);
        assert!(matches!(token.verify(&forged).await, Err(VerifyTokenError::Invalid(_))));
        let verified = token.verify(&token.signed()).await;
        let differs = matches!(verified, Err(VerifyTokenError::ClocksDiffer(by)) if by == ahead);
        assert!(differs, "{verified:?}");
    }
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused() {
    for algorithm in ["none", "None", "nOnE", "NONE", ""] {
        let forgery = Forgery::valid().header("alg", algorithm);
        for token in [format!("{}.", forgery.message()), forgery.message(), forgery.signed()] {
            assert!(forgery.verify(&token).await.is_err(), "{algorithm:?}");
        }
    }
    let unsigned = Forgery::valid();
    assert!(unsigned.verify(&format!("{}.", unsigned.message())).await.is_err());
}

#[tokio::test]
async fn the_public_key_is_not_accepted_as_an_hmac_secret() {
    let public = Forgery::valid().key.verification_key().public_key;
    let x = URL_SAFE_NO_PAD.encode(public);
    for secret in [public.as_slice(), x.as_bytes()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let forgery = Forgery::valid().header("alg", format!("{algorithm:?}"));
            let token = forgery.signed_with(&EncodingKey::from_secret(secret).unwrap(), algorithm);
            assert!(forgery.verify(&token).await.is_err(), "{algorithm:?}");
            // The same signature under a header that says EdDSA.
            let forgery = Forgery::valid();
            let token = forgery.signed_with(&EncodingKey::from_secret(secret).unwrap(), algorithm);
            assert!(forgery.verify(&token).await.is_err(), "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn a_key_inside_the_token_is_not_used() {
    let attacker = SigningKey::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(attacker.verification_key().public_key);
    let forgery = Forgery::valid()
        .header("jwk", json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x}));
    let token = forgery.signed_with(&attacker.encoding_key(), Algorithm::EdDSA);
    assert!(forgery.verify(&token).await.is_err());
}

#[tokio::test]
async fn a_token_that_was_changed_or_cut_is_refused() {
    let token = Forgery::valid();
    let signed = token.signed();
    let parts: Vec<&str> = signed.split('.').collect();
    let mut others = token.claims.clone();
    others["sub"] = "1".into();
    let others = URL_SAFE_NO_PAD.encode(others.to_string());
    let changed = [
        format!("{}.{others}.{}", parts[0], parts[2]),
        format!("{signed}A"),
        format!("{signed}="),
        format!("{signed}.{}", parts[2]),
        signed[..signed.len() - 1].to_owned(),
        signed[..signed.len() - 20].to_owned(),
        parts[0].to_owned(),
        String::new(),
        "..".to_owned(),
        "🦀.🦀.🦀".to_owned(),
        "A".repeat(10 * 1024 * 1024),
        format!("{signed}{}", "A".repeat(TOKEN_LENGTH_MAX)),
    ];
    for forged in changed {
        let shown: String = forged.chars().take(80).collect();
        assert!(token.verify(&forged).await.is_err(), "{shown}");
    }
    assert!(token.verify(&signed).await.is_ok());
}

#[tokio::test]
async fn a_token_is_neither_valid_nor_invalid_while_its_key_cannot_be_looked_up() {
    let verified =
        Ed25519TokenVerifier::new(KeysAway).verify(&Forgery::valid().signed(), NOW).await;
    assert!(matches!(verified, Err(VerifyTokenError::KeysUnavailable(_))));
}

#[tokio::test]
async fn a_key_verifies_until_it_retires() {
    let token = Forgery::valid();
    let retires_at = NOW.plus(std::time::Duration::from_secs(60));
    let key = VerificationKey { retires_at: Some(retires_at), ..token.key.verification_key() };
    let verifier = Ed25519TokenVerifier::new(OneKey(key));
    let signed = token.signed();
    let before = Timestamp::from_millis(retires_at.as_millis() - 1);
    assert!(verifier.verify(&signed, before).await.is_ok());
    let refused = verifier.verify(&signed, retires_at).await;
    assert!(matches!(refused, Err(VerifyTokenError::Invalid(_))));
}

fn is_refused(forgery: &Forgery, token: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    matches!(runtime.block_on(forgery.verify(token)), Err(VerifyTokenError::Invalid(_)))
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let forgery = Forgery::valid();
        prop_assert!(is_refused(&forgery, &String::from_utf8_lossy(&bytes)));
        // Three parts of the right alphabet.
        let parts: Vec<_> = bytes.chunks(700).map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
        prop_assert!(is_refused(&forgery, &parts.join(".")));
        // A valid header, followed by random bytes.
        let header = URL_SAFE_NO_PAD.encode(forgery.header.to_string());
        let with_valid_header = format!("{header}.{}", parts.join("."));
        prop_assert!(is_refused(&forgery, &with_valid_header));
    }

    #[test]
    fn a_token_with_a_changed_byte_is_refused(at in any::<prop::sample::Index>(), to in 0_u8..128) {
        let forgery = Forgery::valid();
        let mut token = forgery.signed().into_bytes();
        let at = at.index(token.len());
        prop_assume!(token[at] != to);
        token[at] = to;
        prop_assert!(is_refused(&forgery, &String::from_utf8(token).unwrap()));
    }
}
