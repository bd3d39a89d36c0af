//! How an event travels as a RocketMQ message.
//!
//! The body is the event ([`crate::event`]). The tag is the event's type, the keys are the event's
//! `id` and that of its order or user, and the user properties below repeat what routing and
//! check-backs need, so that the body does not have to be read for it.

/// The default topic of order events. Its `message.type` is TRANSACTION.
pub const ORDER_TOPIC: &str = "ORDER_EVENTS";

/// The default topic of user events. Its `message.type` is TRANSACTION.
pub const USER_TOPIC: &str = "USER_EVENTS";

/// The end of the dead-letter topic's name, which begins with the name of the order topic. The
/// dead-letter topic holds the letters of both topics.
pub const DEAD_LETTER_SUFFIX: &str = "_DLQ";

/// The event's identifier, a UUID.
pub const EVENT_ID: &str = "event_id";

/// The attempt that published it, a UUID.
pub const TRANSACTION_ID: &str = "transaction_id";

/// The key of the item that holds the order, the account, the session or the mail.
///
/// Such as `USER#123/ORDER#01890a5d-ac96-774b-bcce-b302099a8057`. Only the order service uses it;
/// subscribers of other teams ignore it.
pub const AGGREGATE: &str = "aggregate";

/// `true` on the message of an event that was stored before its half message was sent.
///
/// A check of the half message can only commit it. All other messages lack the property.
pub const RECORDED: &str = "recorded";

/// When the attempt's local transaction ends, in milliseconds since 1970-01-01T00:00:00Z.
pub const DEADLINE_MS: &str = "deadline_ms";

/// W3C Trace Context, if there is one.
pub const TRACEPARENT: &str = "traceparent";

/// The schema version of the payload, as in the body.
pub const SCHEMA_VERSION: &str = "schema_version";

/// The order's or the account's version with the event, counted from 1.
pub const AGGREGATE_VERSION: &str = "aggregate_version";

/// On a dead letter: why the event was given up.
pub const REASON: &str = "reason";

/// On a dead letter: which handler gave up; absent if no handler was called.
pub const HANDLER: &str = "handler";

/// On a dead letter: how often the event was tried.
pub const ATTEMPTS: &str = "attempts";

/// On a dead letter: when it failed for the first time, in milliseconds since
/// 1970-01-01T00:00:00Z.
pub const FIRST_FAILED_AT: &str = "first_failed_at";
