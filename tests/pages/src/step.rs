//! One step of an order's story: who sent what to whom, and what it means.

use serde::Serialize;

/// A participant, which is a column of the diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lane {
    Client,
    CreateOrder,
    CancelOrder,
    Table,
    Broker,
    TransactionCheck,
    EventConsumer,
}

impl Lane {
    /// The lane of a function; `None` if it takes no part in the protocol.
    pub(crate) fn of_function(name: &str) -> Option<Self> {
        Some(match name {
            "create-order" => Self::CreateOrder,
            "cancel-order" => Self::CancelOrder,
            "transaction-check" => Self::TransactionCheck,
            "event-consumer" => Self::EventConsumer,
            _ => return None,
        })
    }
}

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The client asks create-order for an order.
    Request,
    /// The client asks cancel-order to cancel.
    CancelRequest,
    /// The answer to the client.
    Answer,
    /// The client gets no answer of the function.
    NoAnswer,
    /// A half message before the order is written.
    HalfMessage,
    /// The put that creates the order.
    Put,
    /// The end of create-order's half message.
    Commit,
    /// The end of create-order's half message.
    Rollback,
    /// A process was killed.
    Killed,
    /// A half message of an event that is already stored.
    Publication,
    /// The end of such a half message.
    PublicationCommit,
    /// The broker asks what became of a half message.
    CheckBack,
    /// transaction-check answers: commit.
    CheckedCommit,
    /// transaction-check answers: roll back.
    CheckedRollback,
    /// transaction-check answers: ask again.
    CheckedUnknown,
    /// A function reads the order.
    Read,
    /// An attempt that created no order is fenced.
    Fence,
    /// Stock is reserved and the order is confirmed.
    Reserve,
    /// The order is rejected.
    Reject,
    /// The order is cancelled.
    Cancel,
    /// An event is handled, and no longer pending.
    Finish,
    /// A failed delivery is noted in the order.
    Note,
    /// An event moves to the dead letters.
    GiveUp,
    /// An event returns from the dead letters.
    Redrive,
    /// The sweep claims a pending event.
    Claim,
    /// The sweep, or who answers a check-back, asks the broker whether a message is there.
    Ask,
    /// The broker delivers an event.
    Delivery,
    /// A delivery is acknowledged.
    Acknowledge,
    /// A delivery is put off.
    Postpone,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// No answer yet.
    Open,
    /// Done.
    Done,
    /// The other side refused it: a condition failed, or it was too busy.
    Refused,
    /// The table has no capacity at the moment.
    Throttled,
    /// It failed, or its answer never came.
    Failed,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    /// Names the step in its story.
    pub(crate) number: u32,
    /// Since the console started, in milliseconds.
    pub(crate) at_ms: f64,
    pub(crate) from: Lane,
    pub(crate) to: Lane,
    pub(crate) kind: Kind,
    /// A few words for the arrow, such as `PutItem`.
    pub(crate) label: String,
    pub(crate) outcome: Outcome,
    /// How often it was tried with this outcome.
    pub(crate) tries: u32,
    /// Until the answer, in milliseconds.
    pub(crate) took_ms: Option<f64>,
    pub(crate) meaning: &'static str,
}

impl Kind {
    /// What a step of this kind means, in a sentence or two.
    pub(crate) const fn meaning(self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Throttled => {
                "The table has no capacity for this call at the moment. It was not done, and is \
                 tried again with a pause that grows."
            }
            Outcome::Refused => self.when_refused(),
            Outcome::Failed => self.when_failed(),
            Outcome::Open | Outcome::Done => self.when_done(),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a sentence for each kind")]
    const fn when_done(self) -> &'static str {
        match self {
            Self::Request => {
                "A client orders. A process of create-order is thawed for it, or started."
            }
            Self::CancelRequest => "A client cancels the order. cancel-order needs no broker.",
            Self::Answer => "The client has its answer. The process is frozen where it stands.",
            Self::NoAnswer => {
                "The client gets an error of API Gateway: its process is gone. It may ask again."
            }
            Self::HalfMessage => {
                "A half message: the broker stores the event and shows it to nobody until it hears \
                 how the transaction ended."
            }
            Self::Put => {
                "The local transaction: one conditional put writes the order, its history and its \
                 pending event. From here on the order exists."
            }
            Self::Commit => "The order exists, so the broker may show the event to subscribers.",
            Self::Rollback => "No order was created, so the broker drops the half message.",
            Self::Killed => {
                "SIGKILL: the process is gone in the middle of its work, and can end nothing any \
                 more."
            }
            Self::Publication => {
                "A later event. It is stored in the order already, so its half message can only be \
                 committed."
            }
            Self::PublicationCommit => "The event is true already: it is committed at once.",
            Self::CheckBack => {
                "The broker has heard no end of the half message. It asks the checked group, which \
                 only transaction-check joins."
            }
            Self::CheckedCommit => {
                "The order of this attempt is in the table, so the answer is COMMIT. The event is \
                 saved, although the function that sent it is not there any more."
            }
            Self::CheckedRollback => {
                "No order of this attempt can ever appear, or its message is on the topic already. \
                 So the answer is ROLLBACK: nobody sees an event without an order, or a copy."
            }
            Self::CheckedUnknown => "Nothing is sure yet. The broker asks again in 5 seconds.",
            Self::Read => "A consistent read: the table alone knows what is true.",
            Self::Fence => {
                "The fence: this attempt is added to the tombstone at the order's key. If its put \
                 is still on its way, it can no longer succeed."
            }
            Self::Reserve => {
                "One transaction takes the stock, confirms the order, ends the event and adds the \
                 next one. A second delivery finds nothing left to do."
            }
            Self::Reject => {
                "There is not enough stock, or the account would hold more open units than it may. \
                 The order is rejected, which is an event."
            }
            Self::Cancel => {
                "The order is cancelled. Stock that it held returns in the same transaction."
            }
            Self::Finish => {
                "The last handler is done: the event is no longer pending. What a broker loses \
                 before this comes again."
            }
            Self::Note => "The delivery failed. The order counts it, so that an operator sees it.",
            Self::GiveUp => {
                "Sixteen deliveries have failed. One transaction moves the event to the dead \
                 letters, where it waits for an operator."
            }
            Self::Redrive => {
                "An operator redrives it: one transaction removes the dead letter and makes its \
                 event pending again."
            }
            Self::Claim => {
                "The sweep found an event that is still pending, and claims it for a while."
            }
            Self::Ask => {
                "Is the event's message on its topic already? Then nothing is sent, and no copy made."
            }
            Self::Delivery => "The broker delivers the event to our handlers.",
            Self::Acknowledge => "Done: the broker need not deliver this message again.",
            Self::Postpone => "The broker keeps the message, and delivers it again later.",
        }
    }

    const fn when_refused(self) -> &'static str {
        match self {
            Self::Put => {
                "The condition failed: another attempt's order or a fence is at the key. Nothing \
                 was written."
            }
            Self::Fence => "An order is there already: the fence is not needed.",
            Self::Claim => "Another sweep was faster.",
            Self::HalfMessage | Self::Publication => "The broker was too busy and stored nothing.",
            _ => "Refused: the state has changed since it was read. It is read and judged again.",
        }
    }

    const fn when_failed(self) -> &'static str {
        match self {
            Self::Answer => "The request failed. The client may repeat it with the same key.",
            Self::Commit | Self::Rollback => {
                "The end did not arrive. That changes no answer: the check-back repairs it."
            }
            Self::HalfMessage => {
                "The broker did not store it in time. It is abandoned, and never committed."
            }
            _ => "It failed, or its answer was lost: its fate is unknown until somebody looks.",
        }
    }
}

impl Step {
    /// Sets what became of it.
    pub(crate) fn settle(&mut self, outcome: Outcome, took_ms: Option<f64>) {
        self.outcome = outcome;
        self.took_ms = took_ms;
        self.meaning = self.kind.meaning(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Outcome};

    #[test]
    fn a_rejected_order_has_either_of_two_reasons() {
        let meaning = Kind::Reject.meaning(Outcome::Done);
        assert!(meaning.contains("not enough stock, or"), "{meaning}");
        assert!(meaning.contains("more open units than it may"), "{meaning}");
    }
}
