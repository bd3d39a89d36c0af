//! Faults of a call to a table, or to the broker.

use application::outcome::{Failure, FailureClass};

/// A call that a test can make fail, by the method of its port.
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
    /// `DeadLetterMoves::record`
    RecordLetter,
    /// `DeadLetterMoves::remove`
    RemoveLetter,
    /// `OrderListing::page`
    PageOfOrders,
    /// `ProductListing::page`
    PageOfProducts,
    /// `Catalog::prices`
    Prices,
    /// `DeadLetterReader::find`
    FindLetter,
    /// `DeadLetterReader::page`
    PageOfLetters,
    /// `DeadLetterRemoval::discard`
    Discard,
    /// `AccountRepository::register`
    Register,
    /// `AccountRepository::log_in`
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
    /// `Sessions::exchange`
    Exchange,
    /// `Sessions::end`
    EndSession,
    /// `MailRequests::find`
    FindMail,
    /// `MailRepository::ask` and `MailRepository::ask_for_nobody`
    AskForMail,
    /// `MailRepository::redeem`
    RedeemMail,
    /// `MailTokens::issue`
    IssueMailToken,
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
    /// `KnownSourceRemoval::forget_all_except`
    ForgetSources,
}

/// Every fault makes a read fail; a fault that only a write can meet then looks like an unavailable
/// service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call took effect, and its answer never comes.
    ReplyLost,
    /// The call never arrives, and no answer comes.
    RequestLost,
    /// The call takes effect with `MemoryTables::apply_late_writes`. Its answer never comes.
    LandsLate,
    /// The service refuses the call before it begins.
    Refused(FailureClass),
    /// Another transaction holds an item; the result of its condition is not reported.
    Busy,
}

impl Fault {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokerFault {
    /// The half message never arrives, and the caller gets an error.
    PrepareFails,
    /// The half message is stored, and the answer never comes.
    PrepareReplyLost,
    /// The half message is stored, but the broker reports that it may not be on disk.
    PrepareDoubtful,
    /// The end never arrives, and no answer comes.
    EndLost,
    /// The end takes effect, and the answer never comes.
    EndReplyLost,
    /// The end takes effect with `MemoryBroker::apply_late_ends`. Its answer never comes.
    EndLate,
    EndDoubled,
    EndRefused,
    /// The lookup of a published event, or of the group's position, fails.
    LookupFails,
    /// A published event is not found, because the broker has not added it to its index yet.
    LookupMisses,
    ReceiveFails,
    /// The acknowledgement never arrives, and no answer comes.
    AcknowledgementLost,
    AnnouncementFails,
}
