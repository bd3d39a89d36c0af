use application::lifetimes;
use application::ports::{PublishedKeys, VerificationKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::login::{JsonWebKey, JsonWebKeySet};
use domain::timestamp::Timestamp;
use dynamodb::DynamoVerificationKeys;
use lambda_http::http::StatusCode;
use lambda_http::http::header::CACHE_CONTROL;
use web::{Problem, Response, respond};

/// The keys that are valid at `now`, as a JSON Web Key Set.
pub(super) async fn key_set_response(
    keys: &DynamoVerificationKeys,
    now: Timestamp,
) -> Result<Response, Problem> {
    let mut keys = keys.all(now).await?;
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    let set = JsonWebKeySet { keys: keys.iter().map(web_key).collect() };
    let caching = format!("public, max-age={}", lifetimes::PUBLIC_KEYS.as_secs());
    respond::with_header(respond::json(StatusCode::OK, &set)?, CACHE_CONTROL, &caching)
}

fn web_key(key: &VerificationKey) -> JsonWebKey {
    JsonWebKey {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        alg: "EdDSA".to_owned(),
        key_use: "sig".to_owned(),
        kid: key.kid.clone(),
        x: URL_SAFE_NO_PAD.encode(key.public_key),
    }
}
