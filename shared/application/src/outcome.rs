//! The outcomes of a remote write.

use std::error::Error;
use std::fmt;

/// An adapter's error, for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The class of a failed remote call. The class decides what to do next; the cause is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The service can't be reached or has an internal fault: try again later.
    Unavailable,
    /// The service asks for fewer calls: try again later.
    Throttled,
    /// Another write to the same item was under way: try again at once.
    Conflict,
    /// The call itself is wrong; trying again won't help.
    Permanent,
}

/// A remote call that did not succeed.
///
/// Its `Display` is the class alone; the cause is its source.
#[derive(Debug)]
pub struct Failure {
    pub class: FailureClass,
    pub cause: Cause,
}

impl Failure {
    pub fn new(class: FailureClass, cause: impl Into<Cause>) -> Self {
        Self { class, cause: cause.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.class {
            FailureClass::Unavailable => "the service is unavailable",
            FailureClass::Throttled => "the service is throttling",
            FailureClass::Conflict => "another write was under way",
            FailureClass::Permanent => "the call is invalid",
        })
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}

/// The outcome of one try of a remote write. `Reason` says which conditions failed; it is
/// [`std::convert::Infallible`] if there are none.
///
/// `Cancelled` and `NotBegun` are refused writes. Only a try that was cancelled has met something
/// that can settle an earlier one.
#[derive(Debug)]
#[must_use]
pub enum WriteTry<Reason> {
    /// The write took effect.
    Done,
    /// The write has no effect, because conditions failed or items were busy.
    Cancelled(Reason),
    /// The write has no effect: the service refused it before it looked at any condition, or was
    /// never reached.
    NotBegun(Failure),
    /// The write may or may not take effect, now or later: the answer was lost or late.
    Unknown(Failure),
}

/// Whether one item of a transaction was a reason for its cancellation. `Existing` is what was
/// found in the item's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemReason<Existing> {
    /// The item was no reason, as far as is known: the service does not always name every reason.
    None,
    /// The item's condition failed; this is what was found, if it could be read.
    ConditionFailed(Option<Existing>),
    /// The item was busy: a conflict, a throttle, a transaction under way.
    Busy,
}

impl<Existing> ItemReason<Existing> {
    /// What was found in the item's place when its condition failed.
    pub const fn found(&self) -> Option<&Existing> {
        match self {
            Self::ConditionFailed(found) => found.as_ref(),
            Self::None | Self::Busy => None,
        }
    }

    /// Like [`Self::found`], by value.
    pub fn into_found(self) -> Option<Existing> {
        match self {
            Self::ConditionFailed(found) => found,
            Self::None | Self::Busy => None,
        }
    }

    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }

    pub const fn condition_failed(&self) -> bool {
        matches!(self, Self::ConditionFailed(_))
    }
}

/// The text of an error and of all its sources: `a: b: c`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
