//! The broker: half messages, their ends and their checks.
//!
//! As the Java broker does, it finds a half message by its place in the log and never asks whether
//! it has ended: each COMMIT makes a visible copy, also after a ROLLBACK.

use crate::action::{Action, AttemptId};
use crate::parties::transaction_check;
use crate::protocol::Protocol;
use crate::state::{HalfFate, Resolution, State, TransactionId, TransactionState, transaction_of};

/// What can happen to the half messages, and to their ends on the way.
pub(crate) fn possible(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for attempt in 0..protocol.bounds.attempts {
        let half = state.broker.halves[attempt];
        if half.commits_under_way > 0 {
            let fates = [Action::RpcCommit, Action::LoseCommit, Action::DuplicateCommit];
            actions.extend(fates.map(|fate| fate(attempt)));
        }
        if half.rollback_under_way {
            actions.extend([Action::RpcRollback(attempt), Action::LoseRollback(attempt)]);
        }
        match half.fate {
            HalfFate::Open if half.checks < protocol.bounds.checks_max => {
                actions.extend([Action::Check(attempt), Action::CheckLost(attempt)]);
            }
            HalfFate::Open => actions.push(Action::Discard(attempt)),
            HalfFate::Committed | HalfFate::RolledBack => {
                actions.push(Action::SpuriousCheck(attempt));
            }
            HalfFate::Absent | HalfFate::Discarded => {}
        }
    }
}

/// Somebody sends an end, which may arrive, or not, at any later time.
pub(crate) fn send_end(
    protocol: &Protocol,
    state: &mut State,
    attempt: AttemptId,
    resolution: Resolution,
) {
    let transaction = transaction_of(&protocol.variant, attempt);
    let half = &mut state.broker.halves[attempt];
    match resolution {
        Resolution::Commit => {
            half.commits_under_way += 1;
            state.history.ends_conflict |= state.history.rollback_sent[transaction];
        }
        Resolution::Rollback => {
            // A second one, or one after an end, changes nothing.
            half.rollback_under_way = half.fate == HalfFate::Open;
            state.history.rollback_sent[transaction] = true;
            // A COMMIT is sent for a committed transaction only, so this tells both kinds of
            // conflict.
            let record = state.tables.transactions[transaction];
            state.history.ends_conflict |= record == Some(TransactionState::Committed);
        }
    }
}

/// A visible copy of a transaction's event.
pub(crate) const fn show(state: &mut State, transaction: TransactionId) {
    let copies = &mut state.broker.topic[transaction];
    copies.visible += 1;
    copies.unacknowledged += 1;
}

pub(crate) fn rpc_commit(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    duplicate_commit(protocol, state, attempt);
    lose_commit(state, attempt);
}

pub(crate) fn duplicate_commit(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].end(HalfFate::Committed);
    show(state, transaction_of(&protocol.variant, attempt));
}

pub(crate) const fn lose_commit(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].commits_under_way -= 1;
}

pub(crate) fn rpc_rollback(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].end(HalfFate::RolledBack);
}

pub(crate) const fn lose_rollback(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].rollback_under_way = false;
}

pub(crate) fn check(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].checks += 1;
    transaction_check::answer(protocol, state, attempt);
}

/// The counter rises even when nobody is there to be asked.
pub(crate) const fn check_lost(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].checks += 1;
}

pub(crate) fn spurious_check(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    transaction_check::answer(protocol, state, attempt);
}

pub(crate) fn discard(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].end(HalfFate::Discarded);
}
