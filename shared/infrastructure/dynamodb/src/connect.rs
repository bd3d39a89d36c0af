//! Clients with time limits, because the SDK has none of its own for a whole call.

use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Credentials, Region};

/// How long it may take to open a connection, with TLS.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// How long one try of a call may take. A function that was frozen may hold a connection that died
/// in the meantime: the limit leaves time for a try on a new one.
pub(crate) const TRY_LIMIT: Duration = Duration::from_secs(1);

/// How long a read may take with all its tries.
const READ_LIMIT: Duration = Duration::from_millis(2_500);

/// How often a read is tried.
const READ_TRIES_MAX: u32 = 3;

/// The longest pause before the first repetition of a read; it doubles with each.
const READ_BACKOFF: Duration = Duration::from_millis(50);

/// The longest pause before any repetition of a read.
const READ_BACKOFF_MAX: Duration = Duration::from_millis(400);

/// The SDK's defaults as of this date, whichever version is linked.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// A client that the environment configures: region, credentials, `AWS_ENDPOINT_URL_DYNAMODB`.
///
/// A connection is opened within 0.5 s. A read is tried up to three times, for at most 1 s each and
/// 2.5 s in all. Adapters try a write once, within its deadline and 1 s. The region comes from
/// `AWS_REGION` or the profile and never from the instance's metadata; without a region every call
/// fails. Credentials are looked up at the first call, first in the environment
/// (<https://docs.aws.amazon.com/sdk-for-rust/latest/dg/credproviders.html>).
pub async fn connect() -> Client {
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let shared = aws_config::defaults(behavior())
        .region(region)
        .timeout_config(read_limits())
        .retry_config(read_retries())
        .load()
        .await;
    Client::new(&shared)
}

/// A client of an emulator at `endpoint_url`, such as `http://127.0.0.1:8001`, with the time limits
/// of [`connect`] and credentials that only emulators accept.
///
/// Its region and access key are those of the local host's functions (`eu-central-1`, `local`):
/// DynamoDB Local separates tables by both, unless it is started with `-sharedDb`.
pub fn connect_to(endpoint_url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(behavior())
        .region(Region::from_static("eu-central-1"))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::new("local", "local", None, None, "emulator"))
        .timeout_config(read_limits())
        .retry_config(read_retries())
        .build();
    Client::from_conf(config)
}

/// The settings of a write: one try, of at most `limit` and [`TRY_LIMIT`].
pub(crate) fn one_try(limit: Duration) -> Builder {
    let limit = limit.min(TRY_LIMIT);
    let limits = TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(limit)
        .operation_timeout(limit)
        .build();
    Config::builder().timeout_config(limits).retry_config(RetryConfig::disabled())
}

fn read_limits() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(TRY_LIMIT)
        .operation_timeout(READ_LIMIT)
        .build()
}

fn read_retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(READ_TRIES_MAX)
        .with_initial_backoff(READ_BACKOFF)
        .with_max_backoff(READ_BACKOFF_MAX)
}
