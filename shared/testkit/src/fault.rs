//! What can go wrong with a call to a table.

use application::outcome::{Failure, FailureClass};

/// A call that can be made to go wrong, by the method of its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `OrderRepository::place`
    Place,
    /// `OrderRepository::remembered`
    Remembered,
    /// `OrderReader::find`
    Find,
    /// `Catalog::prices`
    Prices,
    /// `TransactionLedger::state`
    State,
    /// `TransactionLedger::attempt_that_recorded`
    AttemptThatRecorded,
    /// `TransactionLedger::fence`
    Fence,
    /// `Outbox::claim`
    Claim,
    /// `Outbox::mark_published`
    MarkPublished,
    /// `UnobservedEvents::due`
    Due,
    /// `UnobservedEvents::find`
    FindEvent,
    /// `OverdueEvents::any_overdue`
    AnyOverdue,
    /// `Inbox::record`
    Record,
    /// `Observations::observe`
    Observe,
    /// `Inventory::decide`
    Decide,
    /// `Notifications::notify`
    Notify,
    /// `DeadLetters::bury`
    Bury,
}

/// What goes wrong. A read fails with whatever is said here; what only a write can meet is then a
/// service that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call took effect, and its answer never comes.
    ReplyLost,
    /// The call never arrived, and nobody tells.
    RequestLost,
    /// The call is on its way and takes effect with `MemoryTables::land_late_writes`. Its answer never
    /// comes.
    LandsLate,
    /// The service says no before it begins.
    Refused(FailureClass),
    /// An item is busy, which hides what its condition would say.
    Busy,
}

impl Fault {
    /// The failure that a caller sees.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::ReplyLost => Failure::new(FailureClass::Unavailable, "the answer was lost"),
            Self::RequestLost => Failure::new(FailureClass::Unavailable, "the request was lost"),
            Self::LandsLate => Failure::new(FailureClass::Unavailable, "the request is late"),
            Self::Refused(class) => Failure::new(class, "refused on demand"),
            Self::Busy => Failure::new(FailureClass::Conflict, "busy on demand"),
        }
    }
}
