//! What can go wrong with a call to a table, or to the broker.

use application::outcome::{Failure, FailureClass};

/// A call that can be made to go wrong, by the method of its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `OrderCreation::create`
    CreateOrder,
    /// `OrderKeys::at_key`
    AtKey,
    /// `Fences::fence`
    FenceAttempt,
    /// `PendingEventStore::find`
    FindAggregate,
    /// `PendingEventStore::change`
    ChangeAggregate,
    /// `Reservations::reserve`
    Reserve,
    /// `StockReturns::give_back`
    GiveBack,
    /// `PendingEventIndex::due`
    DueAggregates,
    /// `PendingEventIndex::postpone`
    Postpone,
    /// `PendingEventAges::any_pending_before`
    AnyPendingBefore,
    /// `PendingAggregates::page`
    PageOfPendingAggregates,
    /// `StoredAggregates::page`
    PageOfAggregates,
    /// `DeadLetterMoves::bury`
    BuryAndEnd,
    /// `DeadLetterMoves::redrive`
    RedriveAndReturn,
    /// `OrderReader::find`
    Find,
    /// `Catalog::prices`
    Prices,
    /// `DeadLetterReader::find`
    FindLetter,
    /// `DeadLetterReader::page`
    PageOfLetters,
    /// `DeadLetterRemoval::discard`
    Discard,
    /// `UserRepository::register`
    Register,
    /// `UserRepository::log_in`
    LogIn,
    /// `Accounts::by_email` and `Accounts::by_id`
    FindAccount,
    /// `AccountRepository::change`
    ChangeAccount,
    /// `AccountRemoval::erase_traces`
    EraseTraces,
    /// `AccountRemoval::delete`
    DeleteAccount,
    /// `Sessions::by_token` and `Sessions::by_id`
    FindSession,
    /// `Sessions::rotate`
    Rotate,
    /// `Sessions::end`
    EndSession,
    /// `ActivityLog::record`
    RecordActivity,
    /// `ActivityReader::page`
    PageOfActivities,
    /// `GuessRecords::find`
    FindGuesses,
    /// `GuessRecords::replace`
    ReplaceGuesses,
    /// `KnownSources::knows`
    KnowsSource,
    /// `KnownSources::remember`
    RememberSource,
    /// `KnownSourceRemoval::forget_all_but`
    ForgetSources,
}

/// What goes wrong. A read fails with whatever is said here; what only a write can meet is then a
/// service that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call took effect, and its answer never comes.
    ReplyLost,
    /// The call never arrived, and nobody tells.
    RequestLost,
    /// The call is on its way and takes effect with `MemoryTables::land_late_writes`. Its answer
    /// never comes.
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

/// What can go wrong with a call to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokerFault {
    /// The half message never arrives, and the caller knows.
    PrepareFails,
    /// The half message is stored, and the answer never comes.
    PrepareReplyLost,
    /// The half message is stored, and the broker doesn't vouch for it.
    PrepareDoubtful,
    /// The end never arrives, and nobody tells.
    EndLost,
    /// The end takes effect, and the answer never comes.
    EndReplyLost,
    /// The end is on its way and takes effect with `MemoryBroker::land_late_ends`. Its answer never
    /// comes.
    EndLate,
    /// The end takes effect twice.
    EndDoubled,
    /// The end is refused.
    EndRefused,
    /// The question whether an event is published is not answered.
    LookupFails,
    /// The request for messages fails.
    ReceiveFails,
    /// The acknowledgement, or the wish for a later delivery, never arrives, and nobody tells.
    AcknowledgementLost,
    /// The announcement of a dead letter fails.
    AnnouncementFails,
}
