//! The private key that signs access tokens.

mod file;

use application::outcome::{Failure, FailureClass};
use application::ports::{SigningKeyGenerator, SigningKeySource, VerificationKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tokens::is_key_name;
pub use file::SigningKeyFile;

/// An Ed25519 key pair (RFC 8032) with its name.
///
/// It is kept as a private JSON Web Key (RFC 7517) of type OKP (RFC 8037): `kty`, `crv`, `kid`, `x`
/// and the secret `d`. It has neither `Debug` nor `Display`.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    seed: Zeroizing<[u8; 32]>,
    public_key: [u8; 32],
}

/// A signing key could not be made or read. No error repeats what was read.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The operating system gave no random bytes.
    #[error("could not get random bytes")]
    Random(#[source] getrandom::Error),
    /// The text is not a private key of this kind.
    #[error("the signing key is not a private Ed25519 key as a JSON Web Key (RFC 8037)")]
    Malformed,
    /// The key's `kid` has a form that is never looked up.
    #[error("the signing key's `kid` is not 1 to 64 letters, digits, `-` and `_`")]
    Name,
    /// The public key belongs to another private key.
    #[error("the signing key's public part `x` does not belong to its private part `d`")]
    Mismatch,
}

#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    d: String,
}

impl Drop for PrivateJwk {
    fn drop(&mut self) {
        self.d.zeroize();
    }
}

impl SigningKey {
    /// A new random key, named by its thumbprint (RFC 7638).
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Random`].
    pub fn generate() -> Result<Self, SigningKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(SigningKeyError::Random)?;
        let public_key = public_key_of(&seed).ok_or(SigningKeyError::Malformed)?;
        Ok(Self { kid: thumbprint(&public_key), seed, public_key })
    }

    /// Reads a private JSON Web Key.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError`] if the text is not such a key.
    pub fn parse(text: &SecretString) -> Result<Self, SigningKeyError> {
        // serde's error may quote what it read, so it is dropped.
        let jwk: PrivateJwk =
            serde_json::from_str(text.expose_secret()).map_err(|_| SigningKeyError::Malformed)?;
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
            return Err(SigningKeyError::Malformed);
        }
        if !is_key_name(&jwk.kid) {
            return Err(SigningKeyError::Name);
        }
        let seed = Zeroizing::new(decode_key(&jwk.d).ok_or(SigningKeyError::Malformed)?);
        let public_key = decode_key(&jwk.x).ok_or(SigningKeyError::Malformed)?;
        if public_key_of(&seed) != Some(public_key) {
            return Err(SigningKeyError::Mismatch);
        }
        Ok(Self { kid: jwk.kid.clone(), seed, public_key })
    }

    /// The key as a private JSON Web Key, as it is stored.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Malformed`], which texts of these forms cannot cause.
    pub fn to_jwk(&self) -> Result<SecretString, SigningKeyError> {
        let jwk = PrivateJwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            kid: self.kid.clone(),
            x: URL_SAFE_NO_PAD.encode(self.public_key),
            d: URL_SAFE_NO_PAD.encode(self.seed.as_slice()),
        };
        let text = serde_json::to_string_pretty(&jwk).map_err(|_| SigningKeyError::Malformed)?;
        Ok(SecretString::from(text))
    }

    /// The public part, with which tokens are verified.
    pub fn verification_key(&self) -> VerificationKey {
        VerificationKey { kid: self.kid.clone(), public_key: self.public_key, retires_at: None }
    }

    /// The key's name, which every token carries.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn encoding_key(&self) -> EncodingKey {
        encoding_key(&self.seed)
    }
}

/// A key in memory is its own source.
impl SigningKeySource for SigningKey {
    async fn read(&self) -> Result<Option<SecretString>, Failure> {
        Ok(Some(self.to_jwk().map_err(permanent)?))
    }
}

/// Makes key pairs from the operating system's random bytes, each with a name of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ed25519KeyGenerator;

impl SigningKeyGenerator for Ed25519KeyGenerator {
    fn generate(&self) -> Result<(SecretString, VerificationKey), Failure> {
        let key = SigningKey::generate().map_err(permanent)?;
        Ok((key.to_jwk().map_err(permanent)?, key.verification_key()))
    }
}

fn permanent(error: SigningKeyError) -> Failure {
    Failure::new(FailureClass::Permanent, error)
}

/// The seed as PKCS #8 (RFC 8410, section 7): a fixed header and the seed.
fn encoding_key(seed: &[u8; 32]) -> EncodingKey {
    const HEADER: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let der = Zeroizing::new([HEADER.as_slice(), seed].concat());
    EncodingKey::from_ed_der(&der)
}

fn public_key_of(seed: &[u8; 32]) -> Option<[u8; 32]> {
    let jwk = Jwk::from_encoding_key(&encoding_key(seed), Algorithm::EdDSA).ok()?;
    match jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(parameters) => decode_key(&parameters.x),
        _ => None,
    }
}

fn decode_key(text: &str) -> Option<[u8; 32]> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    bytes.as_slice().try_into().ok()
}

/// The hash of the key's required members in their canonical form (RFC 8037, appendix A.3).
fn thumbprint(public_key: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The key pair of RFC 8037, appendix A.1.
    fn rfc_8037() -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": "rfc",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        })
    }

    fn read(jwk: &Value) -> Result<SigningKey, SigningKeyError> {
        SigningKey::parse(&SecretString::from(jwk.to_string()))
    }

    #[test]
    fn a_key_is_read_as_it_was_stored() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::parse(&key.to_jwk().unwrap()).unwrap();
        assert_eq!(again.verification_key(), key.verification_key());
        assert_eq!(again.seed, key.seed);
    }

    #[test]
    fn the_example_of_rfc_8037_is_read_and_has_its_thumbprint() {
        let key = read(&rfc_8037()).unwrap();
        assert_eq!(key.kid(), "rfc");
        assert_eq!(
            thumbprint(&key.verification_key().public_key),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn a_text_that_is_not_such_a_key_is_refused_and_not_repeated() {
        let edits: [(&str, Value); 8] = [
            ("kty", "RSA".into()),
            ("crv", "X25519".into()),
            ("kid", "../keys".into()),
            ("kid", "".into()),
            ("d", "nWGxne_9".into()),
            ("d", 7.into()),
            ("d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()),
            ("x", Value::Null),
        ];
        for (member, value) in edits {
            let mut jwk = rfc_8037();
            jwk[member] = value;
            let error = read(&jwk).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("nWGxne"), "{member}");
        }
    }
}
