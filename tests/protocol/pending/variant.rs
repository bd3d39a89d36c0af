//! What follows an order's creation, with each of its parts present or left out, and the bounds of
//! its exploration.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingUntil {
    /// When the last handler is done with it.
    Handled,
    /// When a consumer receives it.
    Received,
}

/// The source from which a follow-up is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishedFrom {
    /// The history after the write, and only by the writer of the entry.
    History,
    /// The consumer's memory of its decision: a consumer in doubt that finds the order decided
    /// takes its own decision as stored.
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeysLeave {
    /// On condition that the write removes all of `pending`.
    WithTheLastEntry,
    /// If no other event was pending when the consumer read the order.
    BySnapshot,
}

/// The effect of a dead letter on the entry of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    /// It ends the entry, on condition that the event is pending.
    EndsPending,
    /// It ends the entry, and is also written if the entry has ended.
    EndsPendingUnconditionally,
    /// It is written on that condition, and the entry stays.
    LeavesPending,
}

/// How a handler's refused write is judged. Either the handler was done before, or its event's
/// entry is gone and may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The consumer finds out which one it was; without an entry there is nothing to finish.
    Judged,
    /// The consumer doesn't find out, but the finishing write is conditional on every handler's
    /// part.
    FoundByFinish,
    /// The refusal counts as "done before".
    TreatedAsDone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelWrites {
    /// An update of named attributes, on condition of the status.
    Attributes,
    /// The whole item as it was read, on condition that its version is unchanged. A write that
    /// finishes an event doesn't raise the version.
    WholeItem,
}

/// What the model follows of another team's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherGroup {
    Unwatched,
    /// The copies that it receives.
    Watched,
    /// The same, and an operator replays events that the broker has lost.
    Replayed,
}

/// Each part of the protocol is present or left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) sweep: bool,
    pub(crate) pending_until: PendingUntil,
    /// Whether the consumer reads the order before its handlers run.
    pub(crate) reads_first: bool,
    /// Whether inventory's decision is conditional on the order being CREATED.
    pub(crate) status_guard: bool,
    /// Whether inventory's decision also ends `OrderCreated` and adds its notification, which saves
    /// a write. It is then conditional on the event being pending.
    pub(crate) decision_ends_event: bool,
    /// Whether a notification is keyed by its event, and written with the end of its entry.
    pub(crate) notification_guard: bool,
    /// Whether the handler with an effect elsewhere marks itself done in the entry, and acts on
    /// condition that it hasn't.
    pub(crate) elsewhere_marked: bool,
    pub(crate) refusal: Refusal,
    /// Whether a dead letter keeps these marks, and its redrive restores them.
    pub(crate) letter_keeps_marks: bool,
    pub(crate) letter: Letter,
    pub(crate) published_from: PublishedFrom,
    pub(crate) keys_leave: KeysLeave,
    /// Whether a write that adds to `pending` sets the index keys.
    pub(crate) additions_set_keys: bool,
    pub(crate) cancel_writes: CancelWrites,
    pub(crate) other_group: OtherGroup,
}

impl Variant {
    pub(crate) const FULL: Self = Self {
        sweep: true,
        pending_until: PendingUntil::Handled,
        reads_first: true,
        status_guard: true,
        decision_ends_event: true,
        notification_guard: true,
        elsewhere_marked: true,
        refusal: Refusal::Judged,
        letter_keeps_marks: true,
        letter: Letter::EndsPending,
        published_from: PublishedFrom::History,
        keys_leave: KeysLeave::WithTheLastEntry,
        additions_set_keys: true,
        cancel_writes: CancelWrites::Attributes,
        other_group: OtherGroup::Unwatched,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) consumers: usize,
    /// At most.
    pub(crate) faults: u8,
    /// The most publications by the sweep of events that are on their way.
    pub(crate) early_sweeps: u8,
    /// Whether the broker may lose a message that it has acknowledged.
    pub(crate) broker_loses: bool,
}

impl Bounds {
    pub(crate) const USUAL: Self =
        Self { consumers: 2, faults: 2, early_sweeps: 1, broker_loses: true };
}
