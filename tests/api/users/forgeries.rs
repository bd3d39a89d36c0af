//! Forged access tokens.

use std::time::Duration;

use application::ports::VerificationKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::timestamp::Timestamp;
use dynamodb::administration::put_verification_key;
use dynamodb::config::{KeysTable, TableName};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use secrecy::ExposeSecret;
use security::signing_key::SigningKey;
use serde_json::{Value, json};

use super::{Visitor, new_email, part, without_instance};
use crate::app::{App, problem, with_app};

/// The parts of a valid token, and a key that signs tokens.
struct Mint {
    header: Value,
    claims: Value,
    key: EncodingKey,
    public: Vec<u8>,
}

impl Mint {
    /// With the system's own key, which an attacker doesn't have: so a forgery differs from a valid
    /// token only in its flaw.
    fn of(app: &App, good: &str) -> Self {
        let file = harness::provision::signing_key_file(&app.system.endpoints.data);
        Self::with(&serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(), good)
    }

    /// With another key, which signs a valid token's claims under the `kid` of the system's key.
    fn with(jwk: &Value, good: &str) -> Self {
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
        // RFC 8410, section 7: PKCS #8 is a fixed header and the seed.
        let header = [
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        let der = [header.to_vec(), bytes("d")].concat();
        Self {
            header: part(good, 0),
            claims: part(good, 1),
            key: EncodingKey::from_ed_der(&der),
            public: bytes("x"),
        }
    }

    fn message(header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(header), encode(claims))
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = Self::message(header, claims);
        let signature = crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        self.signed(&header, &self.claims)
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.signed(&self.header, &claims)
    }

    fn without(&self, name: &str) -> String {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        header.as_object_mut().unwrap().remove(name);
        claims.as_object_mut().unwrap().remove(name);
        self.signed(&header, &claims)
    }

    /// Signed with the public key as the secret of an HMAC.
    fn confused(&self, algorithm: Algorithm, alg: &str) -> String {
        let mut header = self.header.clone();
        header["alg"] = json!(alg);
        let message = Self::message(&header, &self.claims);
        let key = EncodingKey::from_secret(&self.public).unwrap();
        let signature = crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// A new key: the public key, and the private key as a JWK.
fn new_key() -> (VerificationKey, Value) {
    let key = SigningKey::generate().unwrap();
    let jwk = serde_json::from_str(key.to_jwk().unwrap().expose_secret()).unwrap();
    (key.verification_key(), jwk)
}

/// Tokens that contain a key, or the address of one, and are signed with that key.
fn with_keys_of_their_own(good: &str) -> Vec<(String, String)> {
    let (_, jwk) = new_key();
    let attacker = Mint::with(&jwk, good);
    let public = json!({"kty": "OKP", "crv": "Ed25519", "kid": jwk["kid"], "x": jwk["x"]});
    let elsewhere = json!("https://attacker.example/keys");
    let mut all =
        vec![("another's key".to_owned(), attacker.signed(&attacker.header, &attacker.claims))];
    for (name, value) in [("jwk", public), ("jku", elsewhere.clone()), ("x5u", elsewhere)] {
        all.push((name.to_owned(), attacker.with_header(name, value.clone())));
        // The deployment doesn't know the key's own `kid`.
        let mut header = attacker.header.clone();
        (header["kid"], header[name]) = (jwk["kid"].clone(), value);
        all.push((name.to_owned(), attacker.signed(&header, &attacker.claims)));
    }
    all
}

/// Signed with a key that is published until `retires_at`.
async fn of_a_key_until(app: &App, good: &str, retires_at: Timestamp) -> String {
    let (public, jwk) = new_key();
    let tables = dynamodb::connect_to(&app.system.endpoints.table_url);
    let name = TableName::parse(app.system.names.table("KeysTable").unwrap()).unwrap();
    let key = VerificationKey { retires_at: Some(retires_at), ..public };
    put_verification_key(&tables, &KeysTable::named(name), &key).await.unwrap();
    Mint::with(&jwk, good).with_header("kid", json!(key.kid))
}

/// Each forgery, with the name of its flaw.
fn forgeries(mint: &Mint, good: &str) -> Vec<(String, String)> {
    let now = super::login::now().as_secs();
    let mut all = Vec::new();
    let mut add = |what: &str, token: String| all.push((what.to_owned(), token));
    for alg in ["none", "None", "nOnE", "NONE"] {
        let mut header = mint.header.clone();
        header["alg"] = json!(alg);
        let message = Mint::message(&header, &mint.claims);
        add(alg, format!("{message}."));
        add(alg, message);
        add(alg, mint.signed(&header, &mint.claims));
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        add("HMAC", mint.confused(algorithm, &format!("{algorithm:?}")));
        add("HMAC as EdDSA", mint.confused(algorithm, "EdDSA"));
    }
    for alg in ["RS256", "ES256", "PS512", "", "EdDSA\u{0}"] {
        add(alg, mint.with_header("alg", json!(alg)));
    }
    for typ in [json!("JWT"), json!("id+jwt"), json!(""), json!(7)] {
        add("typ", mint.with_header("typ", typ));
    }
    for kid in ["../../dev/null", "https://attacker.example/key", "", "' OR 1=1", "unknown"] {
        add("kid", mint.with_header("kid", json!(kid)));
    }
    add("kid", mint.with_header("kid", json!("k".repeat(3_000))));
    add("crit", mint.with_header("crit", json!(["exp"])));
    for name in ["alg", "typ", "kid", "iss", "aud", "sub", "sid", "jti", "exp", "iat"] {
        add(&format!("without {name}"), mint.without(name));
    }
    for (name, value) in [
        ("exp", json!(now - 61)),
        ("exp", json!("soon")),
        ("exp", json!(1e300)),
        ("nbf", json!(now + 300)),
        ("aud", json!("urn:another:api")),
        ("aud", json!([])),
        ("iss", json!("urn:another")),
        ("sub", json!("../124")),
        ("sub", json!("9007199254740992")),
        ("sub", json!(124)),
        ("sid", json!("../x")),
        ("jti", json!("x".repeat(5_000))),
    ] {
        add(&format!("{name} = {value:.20}"), mint.with_claim(name, value));
    }
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut others = mint.claims.clone();
    others["sub"] = json!("124");
    add("other claims", format!("{}.{signature}", Mint::message(&mint.header, &others)));
    add("cut", good[..good.len() - 2].to_owned());
    add("no signature", format!("{signed}."));
    add("a part more", format!("{good}.{signature}"));
    add("no token", "a.b.c".to_owned());
    all
}

/// The number of refused tokens, and of all tokens sent. All are refused in the same way.
pub(super) async fn try_forgeries(app: &App) -> (usize, usize) {
    let visitor = Visitor::new(app);
    let email = new_email("forged");
    visitor.register(&email).await;
    let good = visitor.log_in(&email).await.access;
    let mint = Mint::of(app, &good);
    // The mint's unchanged tokens are accepted, so each forgery is refused for its flaw.
    let unchanged = mint.signed(&mint.header, &mint.claims);
    assert_eq!(visitor.get("/v1/users/me", &unchanged).await.status(), 200);
    let in_an_hour = super::login::now().plus(Duration::from_secs(3_600));
    let not_retired = of_a_key_until(app, &good, in_an_hour).await;
    assert_eq!(visitor.get("/v1/users/me", &not_retired).await.status(), 200);
    // We have signed it, so it is the fault of a clock of ours.
    let future = mint.with_claim("iat", json!(super::login::now().as_secs() + 300));
    problem(visitor.get("/v1/users/me", &future).await, 503, "unavailable").await;
    let mut problems = Vec::new();
    let mut forgeries = forgeries(&mint, &good);
    forgeries.extend(with_keys_of_their_own(&good));
    let retired = of_a_key_until(app, &good, super::login::now()).await;
    forgeries.push(("a retired key".to_owned(), retired));
    let made = forgeries.len();
    for (what, token) in forgeries {
        let answer = visitor.get("/v1/users/me", &token).await;
        assert_eq!(answer.status(), 401, "{what}");
        problems.push(without_instance(problem(answer, 401, "unauthorized").await));
    }
    assert!(problems.windows(2).all(|pair| pair[0] == pair[1]));
    (problems.len(), made)
}

#[test]
fn every_forged_token_is_refused_and_all_alike() {
    with_app(async |app| {
        let (refused, made) = try_forgeries(app).await;
        assert_eq!(refused, made);
        assert!(made >= 69, "{made}");
    });
}
