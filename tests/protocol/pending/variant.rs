//! What follows an order's creation, with or without each of its parts, and the bounds within which
//! it is explored.

/// When an event stops being pending.
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
    /// The history, as it is after the write, and only by the writer of the entry.
    History,
    /// What the consumer remembers of its decision: one in doubt that finds the order decided
    /// counts as stored.
    Memory,
}

/// When the index keys leave the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeysLeave {
    /// On condition that `pending` is exactly what the write removes.
    WithTheLastEntry,
    /// When nothing else was pending as the consumer read the order.
    BySnapshot,
}

/// What a dead letter does to the entry of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    /// It ends the entry, on condition that the event is pending.
    EndsPending,
    /// It ends the entry, and is written whether there is one or not.
    EndsPendingUnconditionally,
    /// It is written on that condition, and the entry stays.
    LeavesPending,
}

/// How a refused write of a handler is judged. The handler was done before, or its event's entry is
/// gone, and may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The consumer looks which of the two it was; without an entry nothing is left to finish.
    Judged,
    /// The consumer doesn't look, but the finishing write is conditional on every handler's part.
    FoundByFinish,
    /// The refusal is treated as "done before".
    TreatedAsDone,
}

/// How cancel-order writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelWrites {
    /// An update of named attributes, on condition of the status.
    Attributes,
    /// The whole item as it was read, on condition that its version is the same. A write that
    /// finishes an event doesn't raise the version.
    WholeItem,
}

/// What is known of another team's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherGroup {
    /// Nothing: its copies are not followed.
    Unwatched,
    /// The copies that it receives are followed.
    Watched,
    /// They are followed, and an operator replays events that the broker has lost.
    Replayed,
}

/// The parts of the protocol, each present or left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Whether the sweep runs.
    pub(crate) sweep: bool,
    /// When an event stops being pending. In the first edition its copy in the outbox was marked as
    /// observed when a consumer received it.
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
    /// condition that it hasn't. The mark replaced the inbox.
    pub(crate) elsewhere_marked: bool,
    /// How a refused write of a handler is judged.
    pub(crate) refusal: Refusal,
    /// Whether a dead letter keeps those marks, and its redrive brings them back.
    pub(crate) letter_keeps_marks: bool,
    /// What a dead letter does to the entry of its event.
    pub(crate) letter: Letter,
    /// The source from which a follow-up is published. In the first edition it claimed a record of
    /// its own.
    pub(crate) published_from: PublishedFrom,
    /// When the index keys leave the item.
    pub(crate) keys_leave: KeysLeave,
    /// Whether a write that adds to `pending` sets the index keys.
    pub(crate) additions_set_keys: bool,
    /// How cancel-order writes.
    pub(crate) cancel_writes: CancelWrites,
    /// What is known of another team's group.
    pub(crate) other_group: OtherGroup,
}

impl Variant {
    /// The protocol as it is.
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

/// How far the exploration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How many consumers there are.
    pub(crate) consumers: usize,
    /// At most how many faults happen.
    pub(crate) faults: u8,
    /// At most how often the sweep publishes an event that is on its way.
    pub(crate) early_sweeps: u8,
    /// Whether the broker may lose a message that it has acknowledged.
    pub(crate) broker_loses: bool,
}

impl Bounds {
    /// The bounds of the usual exploration.
    pub(crate) const USUAL: Self =
        Self { consumers: 2, faults: 2, early_sweeps: 1, broker_loses: true };
}
