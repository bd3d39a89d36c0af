//! Everything that can happen to an order's events.

use crate::pending::event::Event;
use crate::pending::state::Decision;

/// A consumer, which handles one delivery after the other.
pub(crate) type ConsumerId = usize;

/// A step of one party, or of the network between two. A step that goes wrong is a
/// [fault](Action::is_fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    // --- event-consumer ---
    /// A copy is delivered, and the consumer reads the order consistently.
    Deliver(ConsumerId, Event),
    /// Inventory decides a created order, and the follow-up enters `pending` with it.
    Decide(ConsumerId, Decision),
    /// Fault: the decision is stored or refused, and the answer is lost.
    LoseDecisionAnswer(ConsumerId, Decision),
    /// The follow-up is published, if this consumer has written it.
    PublishFollowUp(ConsumerId),
    /// Fault: the broker doesn't accept it.
    LoseFollowUp(ConsumerId),
    /// The handler with an effect elsewhere does its part, and marks itself done in the entry.
    ActElsewhere(ConsumerId),
    /// Fault: that write lands or is refused, and its answer is lost.
    LoseElsewhereAnswer(ConsumerId),
    /// The finishing write: the notification is added, and the entry leaves.
    Finish(ConsumerId),
    /// Fault: it lands or is refused, and its answer is lost.
    LoseFinishAnswer(ConsumerId),
    /// Fault: its entry has counted as many failures as it may. The event becomes a dead letter,
    /// and its entry ends with that.
    Bury(ConsumerId),
    /// The copy is acknowledged.
    Acknowledge(ConsumerId),
    /// Fault: the consumer dies, or holds its copy too long. It is delivered again.
    Crash(ConsumerId),

    // --- the user ---
    /// cancel-order: the order is cancelled, at any time. It needs no broker, so nobody but the
    /// sweep publishes its event.
    Cancel,

    /// cancel-order reads the order first, where it writes the whole item.
    ReadToCancel,

    // --- broker ---
    /// Fault: it loses a message that it has acknowledged.
    Lose(Event),
    /// Fault: it loses a redelivery. A query for the message still finds it.
    LoseRedelivery(Event),
    /// Fault: it delivers a copy. A COMMIT was doubled, or a group's progress was lost.
    Copy(Event),

    // --- transaction-check ---
    /// The sweep publishes a pending event that is not on its topic, or that will not be delivered
    /// to any consumer again.
    Sweep(Event),
    /// The sweep publishes a pending event although copies of it are on their way: an answer that
    /// stays incomplete counts as "not there". A copy is allowed, a loss is not.
    SweepEarly(Event),

    // --- an operator ---
    /// A dead letter is removed, its entry returns, and the event is published.
    Redrive(Event),
    /// Fault: the letter is removed, its entry returns, and the command dies before it publishes.
    RedriveUnpublished(Event),
    /// `ops events replay`: the event is published from the history.
    Replay(Event),

    // --- another team's group ---
    /// It receives a copy.
    ReachOthers(Event),
}

impl Action {
    /// Whether something goes wrong. Faults are bounded; everything else happens sooner or later.
    pub(crate) const fn is_fault(self) -> bool {
        match self {
            Self::LoseDecisionAnswer(..)
            | Self::LoseFollowUp(_)
            | Self::LoseElsewhereAnswer(_)
            | Self::LoseFinishAnswer(_)
            | Self::Bury(_)
            | Self::Crash(_)
            | Self::Lose(_)
            | Self::LoseRedelivery(_)
            | Self::Copy(_)
            | Self::RedriveUnpublished(_) => true,
            Self::Deliver(..)
            | Self::Decide(..)
            | Self::PublishFollowUp(_)
            | Self::ActElsewhere(_)
            | Self::Finish(_)
            | Self::Acknowledge(_)
            | Self::Cancel
            | Self::ReadToCancel
            | Self::Sweep(_)
            | Self::SweepEarly(_)
            | Self::Redrive(_)
            | Self::Replay(_)
            | Self::ReachOthers(_) => false,
        }
    }

    /// Whether it is a step of the user, who may also do nothing.
    pub(crate) const fn is_request(self) -> bool {
        matches!(self, Self::Cancel | Self::ReadToCancel)
    }
}
