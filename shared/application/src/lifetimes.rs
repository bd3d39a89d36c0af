//! How long things are kept, and how long the sweep waits before it looks at them.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a tombstone is kept, counted from the attempt that was fenced last.
///
/// This is longer than a broker keeps the half message (3 days by default, `fileReservedTime`), and
/// longer than a signed request can be delayed (5 minutes, AWS Signature Version 4).
pub const TOMBSTONE: Duration = DAY.saturating_mul(14);

/// How long a dead letter of a foreign event, or of an unreadable message, is kept.
pub const DEAD_LETTER: Duration = DAY.saturating_mul(14);

/// How long a message waits for newer code that may read it, if no aggregate of ours has raised its
/// event.
///
/// Longer than it takes to deploy that code to all processes, or to deploy it again after it was
/// rolled back. A message that another team sent by mistake ends after this time.
pub const NEWER_CODE: Duration = DAY;

/// How long an access token is good after it was issued.
pub const ACCESS_TOKEN: Duration = Duration::from_secs(15 * 60);

/// How far the clocks of issuers and verifiers of access tokens may differ.
pub const ACCESS_TOKEN_LEEWAY: Duration = Duration::from_secs(60);

/// How long a process signs with a key before it reads the key again.
pub const SIGNING_KEY_FRESH: Duration = Duration::from_secs(60);

/// How long a process signs with a key that can't be read again.
pub const SIGNING_KEY: Duration = Duration::from_secs(5 * 60);

/// How long others may cache the public keys.
pub const PUBLIC_KEYS: Duration = Duration::from_secs(5 * 60);

/// How long a new public key is published before its private half signs: until no cache holds the
/// older set of keys any more, and a minute for answers that are still on their way.
pub const NEW_KEY: Duration = Duration::from_secs(PUBLIC_KEYS.as_secs() + 60);

/// How long a replaced public key still verifies: until no process signs with it any more, and then
/// until the last of its tokens has expired by every clock.
pub const REPLACED_KEY: Duration = Duration::from_secs(
    SIGNING_KEY.as_secs() + ACCESS_TOKEN.as_secs() + 2 * ACCESS_TOKEN_LEEWAY.as_secs(),
);

/// How long an activity of an account is kept.
pub const ACTIVITY: Duration = DAY.saturating_mul(90);

/// How long an activity of an address without an account is kept. It is written only so that both
/// cases take the same time, and nobody reads it.
pub const UNKNOWN_ADDRESS_ACTIVITY: Duration = Duration::from_secs(60 * 60);

/// How long a request for a mail to an address without an account is kept. Like the activity beside
/// it, it is written only so that both cases take the same time.
pub const UNKNOWN_ADDRESS_MAIL: Duration = Duration::from_secs(60 * 60);

/// How long a source stays known after a registration or a login from it.
pub const KNOWN_SOURCE: Duration = DAY.saturating_mul(90);

/// How long an event may be pending before the sweep looks at it.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// How far the wall clocks of two processes may differ.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);
