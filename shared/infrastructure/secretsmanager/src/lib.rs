//! AWS Secrets Manager behind the application's port for the signing key.
//!
//! The secret's text is the private key as a JSON Web Key (RFC 8037). Secrets Manager keeps the
//! previous version as `AWSPREVIOUS`. Readers get `AWSCURRENT`, which is always one complete
//! version (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>).

#![warn(missing_docs)]

use std::fmt;
use std::time::Duration;

use application::outcome::{Failure, FailureClass};
use application::ports::{SigningKeySource, SigningKeyStore};
use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
pub use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{Config, Credentials, Region};
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use secrecy::{ExposeSecret, SecretString};

/// A secret's name or ARN: 1 to 2048 printable ASCII characters
/// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretId(String);

/// A text is not a secret's name or ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a secret's name or ARN: 1 to 2048 printable characters without spaces")]
pub struct InvalidSecretId;

impl SecretId {
    /// Reads a secret's name or ARN.
    ///
    /// # Errors
    ///
    /// [`InvalidSecretId`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidSecretId> {
        let valid = (1..=2048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidSecretId) }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long one try of a call may take.
const TRY_LIMIT: Duration = Duration::from_secs(1);

/// How long a call may take with all its tries.
const CALL_LIMIT: Duration = Duration::from_millis(2_500);

/// The SDK's defaults as of this date, whichever version is linked.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn limits() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(TRY_LIMIT)
        .operation_timeout(CALL_LIMIT)
        .build()
}

/// A client that the environment configures: region, credentials,
/// `AWS_ENDPOINT_URL_SECRETS_MANAGER`. A call is tried up to three times, for at most 1 s each and
/// 2.5 s in all.
pub async fn connect() -> Client {
    let shared = aws_config::defaults(behavior()).timeout_config(limits()).load().await;
    Client::new(&shared)
}

/// A client of an emulator at `endpoint_url`, with credentials that only emulators accept.
pub fn connect_to(endpoint_url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(behavior())
        .region(Region::from_static("eu-central-1"))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::new("local", "local", None, None, "emulator"))
        .timeout_config(limits())
        .build();
    Client::from_conf(config)
}

/// The signing key in a secret of AWS Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManagerKey {
    client: Client,
    secret: SecretId,
}

impl SecretsManagerKey {
    /// The key in this secret. The secret must exist, but may have no value yet.
    pub const fn new(client: Client, secret: SecretId) -> Self {
        Self { client, secret }
    }
}

impl SigningKeySource for SecretsManagerKey {
    async fn read(&self) -> Result<Option<SecretString>, Failure> {
        match self.client.get_secret_value().secret_id(&self.secret.0).send().await {
            Ok(found) => {
                let binary = || Failure::new(FailureClass::Unavailable, "the secret is not text");
                let text = found.secret_string.ok_or_else(binary)?;
                Ok(Some(SecretString::from(text)))
            }
            // Secrets Manager also answers so for a secret without a value.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl SigningKeyStore for SecretsManagerKey {
    async fn replace(&self, key: &SecretString) -> Result<(), Failure> {
        self.client
            .put_secret_value()
            .secret_id(&self.secret.0)
            .secret_string(key.expose_secret())
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}

/// Every failure is a fault of the deployment or the service and not of the call. The call succeeds
/// once that is corrected.
fn unavailable<Error, Response>(error: SdkError<Error, Response>) -> Failure
where
    SdkError<Error, Response>: std::error::Error + Send + Sync + 'static,
{
    Failure::new(FailureClass::Unavailable, error)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Bytes;
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use serde_json::{Value, json};

    use super::*;

    /// A stand-in for the service: its secret's value, and whether it is unavailable.
    #[derive(Default)]
    struct Service {
        value: Option<String>,
        is_away: bool,
    }

    type Shared = Arc<Mutex<Service>>;

    /// `GetSecretValue` and `PutSecretValue` of one secret, `signing`, in AWS JSON 1.1.
    async fn answer(
        State(service): State<Shared>,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, String) {
        let mut service = service.lock().unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(request["SecretId"], "signing");
        let error = |status: StatusCode, kind: &str| (status, json!({"__type": kind}).to_string());
        if service.is_away {
            return error(StatusCode::BAD_REQUEST, "ThrottlingException");
        }
        match headers["x-amz-target"].to_str().unwrap() {
            "secretsmanager.GetSecretValue" => match &service.value {
                Some(value) => {
                    (StatusCode::OK, json!({"Name": "signing", "SecretString": value}).to_string())
                }
                None => error(StatusCode::BAD_REQUEST, "ResourceNotFoundException"),
            },
            "secretsmanager.PutSecretValue" => {
                service.value = Some(request["SecretString"].as_str().unwrap().to_owned());
                (StatusCode::OK, json!({"Name": "signing"}).to_string())
            }
            other => panic!("{other}"),
        }
    }

    async fn stand_in() -> (Shared, SecretsManagerKey) {
        let service = Shared::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&service));
        #[expect(clippy::disallowed_methods, reason = "a stand-in that ends with its test")]
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));
        let secret = SecretId::parse("signing").unwrap();
        (service, SecretsManagerKey::new(connect_to(&url), secret))
    }

    #[tokio::test]
    async fn a_key_is_read_after_it_was_stored_until_another_replaces_it() {
        let (_service, key) = stand_in().await;
        assert!(key.read().await.unwrap().is_none());
        for text in ["one", "other"] {
            key.replace(&SecretString::from(text)).await.unwrap();
            assert_eq!(key.read().await.unwrap().unwrap().expose_secret(), text);
        }
    }

    #[tokio::test]
    async fn an_unavailable_service_does_not_mean_a_missing_key() {
        let (service, key) = stand_in().await;
        service.lock().unwrap().is_away = true;
        assert_eq!(key.read().await.unwrap_err().class, FailureClass::Unavailable);
        let replaced = key.replace(&SecretString::from("one")).await;
        assert_eq!(replaced.unwrap_err().class, FailureClass::Unavailable);
    }

    #[test]
    fn a_secret_has_a_name_or_an_arn() {
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-SigningKey-a1B2c3";
        assert_eq!(SecretId::parse(arn).unwrap().to_string(), arn);
        for text in ["", "with space", "ümlaut", &"x".repeat(2_049)] {
            assert_eq!(SecretId::parse(text), Err(InvalidSecretId), "{text:?}");
        }
    }
}
