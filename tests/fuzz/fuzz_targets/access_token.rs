//! No text is an access token that nobody has signed.

#![no_main]

use std::sync::LazyLock;

use application::outcome::Failure;
use application::ports::{
    AccessTokenVerifier, VerificationKey, VerificationKeys, VerifyTokenError,
};
use domain::timestamp::Timestamp;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use security::signing_key::SigningKey;
use security::tokens::Ed25519TokenVerifier;

/// `{"alg":"EdDSA","typ":"at+jwt","kid":"a"}`
const HEADER: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImEifQ";
const NOW: Timestamp = Timestamp::from_millis(1_767_268_800_000);

static KEY: LazyLock<VerificationKey> =
    LazyLock::new(|| SigningKey::generate().unwrap().verification_key());

/// The same key for each name.
struct OneKey;

impl VerificationKeys for OneKey {
    async fn by_kid(&self, _: &str) -> Result<Option<VerificationKey>, Failure> {
        Ok(Some(KEY.clone()))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for token in [text.to_string(), format!("{HEADER}.{text}")] {
        let verified = block_on(Ed25519TokenVerifier::new(OneKey).verify(&token, NOW));
        assert!(matches!(verified, Err(VerifyTokenError::Invalid(_))), "{token}");
    }
});
