//! How long what is remembered is remembered, and how long a look at it may wait.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A tombstone, counted from the attempt that was fenced last.
///
/// Longer than a broker keeps the half message (3 days by default, `fileReservedTime`), and longer
/// than a signed request can be late (5 minutes, AWS Signature Version 4).
pub const TOMBSTONE: Duration = DAY.saturating_mul(14);

/// A dead letter of a foreign event, or of what can't be read.
pub const DEAD_LETTER: Duration = DAY.saturating_mul(14);

/// How long an access token is good after it was issued.
pub const ACCESS_TOKEN: Duration = Duration::from_secs(15 * 60);

/// By how much the clocks of who issues access tokens and who verifies them may differ.
pub const ACCESS_TOKEN_LEEWAY: Duration = Duration::from_secs(60);

/// How long a process signs with a key that it has read before it reads it again.
pub const SIGNING_KEY_FRESH: Duration = Duration::from_secs(60);

/// How long a process signs with a key that it has read, when it can't be read again.
pub const SIGNING_KEY: Duration = Duration::from_secs(5 * 60);

/// How long others may keep the public keys as they were told.
pub const PUBLIC_KEYS: Duration = Duration::from_secs(5 * 60);

/// How long a new public key is published before anything is signed with its private half: until
/// nobody has the keys any more as they were told before it, and a minute for answers on their way.
pub const NEW_KEY: Duration = Duration::from_secs(PUBLIC_KEYS.as_secs() + 60);

/// How long a public key still verifies once another one signs: until no process signs with it any
/// more, and then until the last of its tokens has expired for every clock.
pub const REPLACED_KEY: Duration = Duration::from_secs(
    SIGNING_KEY.as_secs() + ACCESS_TOKEN.as_secs() + 2 * ACCESS_TOKEN_LEEWAY.as_secs(),
);

/// A line of an account's activity.
pub const ACTIVITY: Duration = DAY.saturating_mul(90);

/// A line of the activity of an address that has no account. It is written so that it takes the
/// time, and nobody reads it.
pub const NOBODYS_ACTIVITY: Duration = Duration::from_secs(60 * 60);

/// A source from which an account was registered or logged in to.
pub const KNOWN_SOURCE: Duration = DAY.saturating_mul(90);

/// How long an event may be pending before the sweep looks at it.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// How far the wall clocks of two processes may be apart.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);
