//! transaction-check, as far as it answers check-backs.

use crate::action::AttemptId;
use crate::parties::broker;
use crate::protocol::Protocol;
use crate::state::{Resolution, State, TransactionState, transaction_of};
use crate::variant::RecordAbsent;

/// Answers from the attempt's record. Reading it, and putting the fence if there is none, are one
/// step: the put is conditional, and when it is lost the record is read again.
pub(crate) fn answer(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    let transaction = transaction_of(&protocol.variant, attempt);
    let resolution = match state.tables.transactions[transaction] {
        Some(TransactionState::Committed) => Resolution::Commit,
        Some(TransactionState::Fenced) => Resolution::Rollback,
        None => match protocol.variant.record_absent {
            RecordAbsent::Fence => {
                state.tables.transactions[transaction] = Some(TransactionState::Fenced);
                Resolution::Rollback
            }
            RecordAbsent::Rollback => Resolution::Rollback,
            RecordAbsent::Unknown => return,
        },
    };
    broker::send_end(protocol, state, attempt, resolution);
}
