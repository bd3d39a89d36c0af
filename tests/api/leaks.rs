//! The functions' log lines, and the check that they hold no secret and no personal data.
//!
//! Every system of this binary logs into one memory, and each test ends with a search of all of it.
//! The tests' passwords and addresses contain the word "canary". The tokens that tests receive and
//! the private keys are remembered.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harness::provision::{DEMO_PASSWORD, signing_key_file};
use local_lambda::{LogSink, OutputStream};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The fewest characters of a remembered secret: 256 bits in base64url. Shorter runs of such
/// characters, which are by far the most, are skipped.
const SECRET_LENGTH_MIN: usize = 43;

/// No line may contain these: a test's password or address, any address of a test, any hash.
const CANARIES: [&str; 4] = ["canary", "@example.com", DEMO_PASSWORD, "argon2id"];

struct Memory;

impl LogSink for Memory {
    fn line(&self, function: &str, _: OutputStream, line: &str) {
        lock(&LINES).push(format!("[{function}] {line}"));
    }
}

pub(crate) fn sink() -> Arc<dyn LogSink> {
    Arc::new(Memory)
}

/// From now on a token or the private part of a key is searched for, even in earlier lines. Of a
/// JWT only the signature is remembered: the rest is not a secret, and any part of a JWT is found
/// anyway.
pub(crate) fn remember(secret: &str) {
    let secret = secret.rsplit('.').next().unwrap();
    assert!(secret.len() >= SECRET_LENGTH_MIN && words(secret).eq([secret]), "too short to find");
    lock(&SECRETS).insert(secret.to_owned());
}

/// From now on the private part of the system's signing key is searched for.
pub(crate) fn remember_signing_key(data: &Path) {
    let file = std::fs::read(signing_key_file(data)).unwrap();
    let jwk: serde_json::Value = serde_json::from_slice(&file).unwrap();
    remember(jwk["d"].as_str().unwrap());
}

pub(crate) fn lines_with(text: &str) -> Vec<String> {
    lock(&LINES).iter().filter(|line| line.contains(text)).cloned().collect()
}

/// The last 20 lines, which may show the reason of a failure.
pub(crate) fn last_lines() -> String {
    let lines = lock(&LINES);
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Asserts that no line so far contains a secret or personal data. Returns the number of lines.
pub(crate) fn assert_none() -> usize {
    let secrets = lock(&SECRETS).clone();
    let lines = lock(&LINES).clone();
    let hits: Vec<_> = lines.iter().filter(|line| leaks(line, &secrets)).collect();
    assert!(hits.is_empty(), "{} lines hold a secret: {:?}", hits.len(), hits.first());
    lines.len()
}

fn leaks(line: &str, secrets: &BTreeSet<String>) -> bool {
    CANARIES.iter().any(|canary| line.contains(canary))
        || words(line)
            .filter(|word| word.len() >= SECRET_LENGTH_MIN)
            .any(|word| is_of_jwt(word) || secrets.iter().any(|secret| word.contains(secret)))
}

/// The runs of base64url characters; a secret can only be in one of them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
}

/// Whether a long word looks like a part of any session's JWT: it contains `{"` in base64url.
fn is_of_jwt(word: &str) -> bool {
    word.contains("eyJ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_secret_in_a_line_is_found() {
    let token = "fzY1hZ2x0bJ8kq3vWm5nR7tS9uE4wX6yA1cD0gH-_i0";
    let secrets = BTreeSet::from([token.to_owned()]);
    for line in [
        "password=a-canary".to_owned(),
        "user jo@example.com logged in".to_owned(),
        format!("{{\"token\":\"{token}\"}}"),
        format!("the token was {token}."),
        format!("token_{token}-and-more"),
        format!("a.b.{token}"),
        format!("Bearer eyJ{}", "x".repeat(60)),
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
    ] {
        assert!(leaks(&line, &secrets), "{line}");
    }
    assert!(!leaks("{\"message\":\"logged in\",\"user_id\":123}", &secrets));
}
