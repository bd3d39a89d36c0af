use std::sync::{Arc, Mutex, PoisonError};

use application::lifetimes::{ACCESS_TOKEN, SIGNING_KEY, SIGNING_KEY_FRESH};
use application::outcome::{Failure, FailureClass};
use application::ports::{AccessToken, AccessTokenIssuer, Bearer, SigningKeySource};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::timestamp::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::SecretString;

use super::{AUDIENCE, Claims, ISSUER, TOKEN_TYPE};
use crate::signing_key::SigningKey;

/// Issues access tokens that are valid for 15 minutes, signed with the key of its source.
///
/// The key is read again after a minute. If that fails, the issuer uses the last key for four more
/// minutes and then issues no tokens: by then that key may have been replaced, and will soon be
/// retired.
pub struct Ed25519TokenIssuer<KeySource> {
    source: KeySource,
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    signer: Arc<Signer>,
    read_at: Timestamp,
}

struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    fn new(key: &SigningKey) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        Self { header, key: key.encoding_key() }
    }
}

impl<KeySource: SigningKeySource> Ed25519TokenIssuer<KeySource> {
    /// An issuer that signs with the key of a source.
    pub const fn new(source: KeySource) -> Self {
        Self { source, known: Mutex::new(None) }
    }

    async fn signer(&self, now: Timestamp) -> Result<Arc<Signer>, Failure> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_fresh = |known: &&Known| known.read_at.is_younger_than(SIGNING_KEY_FRESH, now);
        if let Some(known) = known.as_ref().filter(is_fresh) {
            return Ok(Arc::clone(&known.signer));
        }
        match self.read().await {
            Ok(signer) => {
                let signer = Arc::new(signer);
                let known = Known { signer: Arc::clone(&signer), read_at: now };
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
                Ok(signer)
            }
            Err(failure) => match known.filter(|k| k.read_at.is_younger_than(SIGNING_KEY, now)) {
                Some(known) => {
                    let error = &failure as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        "the signing key can't be read again; the last one is used"
                    );
                    Ok(known.signer)
                }
                None => Err(failure),
            },
        }
    }

    async fn read(&self) -> Result<Signer, Failure> {
        let text = self.source.read().await?;
        let text = text.ok_or_else(|| {
            Failure::new(FailureClass::Unavailable, "there is no signing key yet")
        })?;
        let key = SigningKey::parse(&text)
            .map_err(|error| Failure::new(FailureClass::Unavailable, error))?;
        Ok(Signer::new(&key))
    }
}

impl<KeySource: SigningKeySource> AccessTokenIssuer for Ed25519TokenIssuer<KeySource> {
    async fn issue(&self, bearer: Bearer, now: Timestamp) -> Result<AccessToken, Failure> {
        let signer = self.signer(now).await?;
        let mut token_id = [0; 16];
        getrandom::fill(&mut token_id)
            .map_err(|error| Failure::new(FailureClass::Unavailable, error))?;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: bearer.user_id.to_string(),
            aud: AUDIENCE.to_owned(),
            client_id: ISSUER.to_owned(),
            sid: bearer.session_id.to_string(),
            jti: URL_SAFE_NO_PAD.encode(token_id),
            iat: now.as_secs(),
            nbf: None,
            exp: now.plus(ACCESS_TOKEN).as_secs(),
        };
        let token = encode(&signer.header, &claims, &signer.key)
            .map_err(|error| Failure::new(FailureClass::Permanent, error))?;
        Ok(AccessToken { token: SecretString::from(token), expires_in: ACCESS_TOKEN })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use domain::identity::{SessionId, UserId};
    use secrecy::ExposeSecret;
    use uuid::Uuid;

    use super::*;

    /// A source that can be unavailable, and counts its reads.
    #[derive(Default)]
    struct Source {
        key: Mutex<Option<SigningKey>>,
        reads: AtomicUsize,
    }

    impl Source {
        fn put(&self, key: Option<SigningKey>) {
            *self.key.lock().unwrap() = key;
        }
    }

    impl SigningKeySource for &Source {
        async fn read(&self) -> Result<Option<SecretString>, Failure> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let key = self.key.lock().unwrap().clone();
            let away = || Failure::new(FailureClass::Unavailable, "the source is away");
            Ok(Some(key.ok_or_else(away)?.to_jwk().unwrap()))
        }
    }

    const START: Timestamp = Timestamp::from_millis(1_767_268_800_000);

    async fn kid(issuer: &Ed25519TokenIssuer<&Source>, seconds: u64) -> Result<String, Failure> {
        let bearer = Bearer {
            user_id: UserId::new(1).unwrap(),
            session_id: SessionId::new(Uuid::from_u128(1)),
        };
        let issued = issuer.issue(bearer, START.plus(Duration::from_secs(seconds))).await?;
        let header = jsonwebtoken::decode_header(issued.token.expose_secret()).unwrap();
        Ok(header.kid.unwrap())
    }

    #[tokio::test]
    async fn a_key_is_read_again_after_a_minute() {
        let source = Source::default();
        let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        source.put(Some(old.clone()));
        let issuer = Ed25519TokenIssuer::new(&source);
        assert_eq!(kid(&issuer, 0).await.unwrap(), old.kid());
        source.put(Some(new.clone()));
        assert_eq!(kid(&issuer, 59).await.unwrap(), old.kid());
        assert_eq!(source.reads.load(Ordering::Relaxed), 1);
        assert_eq!(kid(&issuer, 60).await.unwrap(), new.kid());
    }

    #[tokio::test]
    async fn while_the_source_is_unavailable_the_last_key_signs_for_five_minutes() {
        let source = Source::default();
        let key = SigningKey::generate().unwrap();
        source.put(Some(key.clone()));
        let issuer = Ed25519TokenIssuer::new(&source);
        kid(&issuer, 0).await.unwrap();
        source.put(None);
        assert_eq!(kid(&issuer, 299).await.unwrap(), key.kid());
        assert!(kid(&issuer, 300).await.is_err());
        source.put(Some(key.clone()));
        assert_eq!(kid(&issuer, 301).await.unwrap(), key.kid());
    }
}
