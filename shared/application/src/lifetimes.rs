//! How long what is remembered is remembered, and how long a look at it may wait.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A record of an attempt or of a handled event: longer than a broker keeps messages (3 days by
/// default, `fileReservedTime`) and than the oldest event that a redrive accepts ([`REDELIVERY`]).
pub const TRANSACTION: Duration = DAY.saturating_mul(14);

/// A tombstone, counted from the attempt that was fenced last.
///
/// Longer than a broker keeps the half message (3 days by default, `fileReservedTime`), and longer
/// than a signed request can be late (5 minutes, AWS Signature Version 4).
pub const TOMBSTONE: Duration = DAY.saturating_mul(14);

/// What a handler remembers of an event; see [`TRANSACTION`].
pub const INBOX: Duration = DAY.saturating_mul(14);

/// How old an event may be that an operator puts on its topic once more.
///
/// A handler that has done its part is to recognise it for as long as the message can be delivered:
/// the inbox remembers for [`INBOX`], counted from a delivery and thus from after the event; the
/// broker keeps the message for 3 days by default (`fileReservedTime`); and a day is left for
/// clocks and for a broker that deletes once a day (`deleteWhen`).
pub const REDELIVERY: Duration = DAY.saturating_mul(10);

const BROKER_KEEPS: Duration = DAY.saturating_mul(3);

const _: () = assert!(
    REDELIVERY.as_secs() + BROKER_KEEPS.as_secs() + DAY.as_secs() <= INBOX.as_secs(),
    "a handler would forget an event that can still be delivered"
);

/// The outbox copy of an event, counted from its observation. Before that it never expires, unless
/// it goes to the dead letters: then with its letter.
pub const OBSERVED_EVENT: Duration = DAY.saturating_mul(14);

/// A dead letter.
pub const DEAD_LETTER: Duration = DAY.saturating_mul(14);

/// An idempotency key.
pub const IDEMPOTENCY_KEY: Duration = DAY;

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

/// How long an event may go unobserved before the sweep looks at it.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// How far the wall clocks of two processes may be apart.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);
