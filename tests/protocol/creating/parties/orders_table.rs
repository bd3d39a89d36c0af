//! The orders table at the order's key: the two writes that exclude each other there.
//!
//! Conditional writes are linearizable: each happens at once or not at all.

use crate::creating::action::AttemptId;
use crate::creating::protocol::Creating;
use crate::creating::state::{Entry, HalfFate, Item, Order, State, TransactionId, transaction_of};
use crate::creating::variant::{FenceWrite, PutCondition};

/// Whether the condition of an attempt's put holds.
pub(crate) fn put_applies(protocol: &Creating, state: &State, attempt: AttemptId) -> bool {
    let transaction = transaction_of(&protocol.variant, attempt);
    let item = &state.item;
    let is_tombstone = item.fenced.contains(&true);
    let is_absent = item.order.is_none() && !is_tombstone;
    let is_fenced = item.fenced[transaction];
    match protocol.variant.put_condition {
        PutCondition::NothingOrTombstoneWithoutAttempt => is_absent || (is_tombstone && !is_fenced),
        PutCondition::NoOrder => item.order.is_none(),
        PutCondition::NotFenced => is_absent || !is_fenced,
    }
}

/// If its condition holds, the order replaces any item at the key.
pub(crate) fn put(protocol: &Creating, state: &mut State, attempt: AttemptId) -> bool {
    let applies = put_applies(protocol, state, attempt);
    if applies {
        let transaction = transaction_of(&protocol.variant, attempt);
        let never_sent = state.broker.halves[attempt].fate == HalfFate::Absent;
        let pending = Some(Entry { never_sent });
        let order = Some(Order { created_by: attempt, transaction, pending });
        state.item = Item { order, ..Item::default() };
        state.past.landed_after_rollback |= state.past.rollback_sent[transaction];
    }
    applies
}

/// Whether an attempt's put can no longer take effect, now or later. Only the conditions of the
/// full protocol make that final.
pub(crate) fn put_is_over(protocol: &Creating, state: &State, attempt: AttemptId) -> bool {
    let variant = &protocol.variant;
    variant.put_condition == PutCondition::NothingOrTombstoneWithoutAttempt
        && variant.fence_write == FenceWrite::AddUnlessOrder
        && !put_applies(protocol, state, attempt)
}

/// The attempt joins those that can no longer create the order.
pub(crate) fn fence(protocol: &Creating, state: &mut State, transaction: TransactionId) {
    let item = &mut state.item;
    match protocol.variant.fence_write {
        FenceWrite::AddUnlessOrder | FenceWrite::ReplaceUnlessOrder if item.order.is_some() => {}
        FenceWrite::AddUnlessOrder | FenceWrite::Add => item.fenced[transaction] = true,
        FenceWrite::ReplaceUnlessOrder => {
            item.fenced = Item::default().fenced;
            item.fenced[transaction] = true;
        }
    }
}
