//! Everything that can happen to an order's events.

use crate::pending::event::Event;
use crate::pending::state::Decision;

/// A consumer handles one delivery at a time.
pub(crate) type ConsumerId = usize;

/// A step of one party, or of the network between two parties. A step that goes wrong is a
/// [fault](Action::is_fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    // --- event-consumer ---
    /// A copy is delivered, and the consumer reads the order consistently.
    Deliver(ConsumerId, Event),
    /// Inventory decides a created order, and the follow-up event enters `pending` with the
    /// decision.
    Decide(ConsumerId, Decision),
    /// Fault: the decision is stored or refused, and the answer is lost.
    LoseDecisionAnswer(ConsumerId, Decision),
    /// The follow-up is published, if this consumer has written it.
    PublishFollowUp(ConsumerId),
    /// Fault: the broker doesn't accept the follow-up.
    LoseFollowUp(ConsumerId),
    /// The handler with an effect elsewhere has its effect, and marks itself done in the entry.
    ActElsewhere(ConsumerId),
    /// Fault: that write takes effect or is refused, and its answer is lost.
    LoseElsewhereAnswer(ConsumerId),
    /// The finishing write: the notification is added, and the entry leaves.
    Finish(ConsumerId),
    /// Fault: the finishing write takes effect or is refused, and its answer is lost.
    LoseFinishAnswer(ConsumerId),
    /// Fault: the entry has counted its last permitted failure. The event becomes a dead letter,
    /// which ends its entry.
    GiveUp(ConsumerId),
    Acknowledge(ConsumerId),
    /// Fault: the consumer dies, or holds its copy too long. The copy is delivered again.
    Crash(ConsumerId),

    // --- the user ---
    /// cancel-order cancels the order, at any time. It needs no broker, so only the sweep publishes
    /// the event.
    Cancel,

    /// cancel-order reads the order first, if it writes the whole item.
    ReadToCancel,

    // --- broker ---
    /// Fault: the broker loses a message that it has acknowledged.
    Lose(Event),
    /// Fault: the broker loses a redelivery. A query for the message still finds it.
    LoseRedelivery(Event),
    /// Fault: the broker delivers a further copy, because a COMMIT was doubled, or a group's
    /// progress was lost.
    Copy(Event),

    // --- transaction-check ---
    /// The sweep publishes a pending event that is not on its topic, or will not be delivered to
    /// any consumer again.
    Sweep(Event),
    /// The sweep publishes a pending event although copies are on their way, because an answer that
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
    /// The group receives a copy.
    ReachOthers(Event),
}

impl Action {
    /// Whether something goes wrong. Faults are bounded; everything else happens at some time.
    pub(crate) const fn is_fault(self) -> bool {
        match self {
            Self::LoseDecisionAnswer(..)
            | Self::LoseFollowUp(_)
            | Self::LoseElsewhereAnswer(_)
            | Self::LoseFinishAnswer(_)
            | Self::GiveUp(_)
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
