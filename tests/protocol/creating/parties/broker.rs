//! The broker: half messages, their ends and their checks.
//!
//! Like the Java broker, it finds a half message by its position in the log and never checks
//! whether it has ended: each COMMIT makes a visible copy, even after a ROLLBACK.

use crate::creating::action::{Action, AttemptId};
use crate::creating::parties::transaction_check;
use crate::creating::protocol::Creating;
use crate::creating::state::{HalfFate, MANY, Resolution, State, TransactionId, transaction_of};

/// Steps of half messages, and of ends on their way.
pub(crate) fn possible(protocol: &Creating, state: &State, actions: &mut Vec<Action>) {
    for attempt in 0..protocol.bounds.attempts {
        let half = state.broker.halves[attempt];
        if half.commits_under_way > 0 {
            let fates = [Action::ApplyCommit, Action::LoseCommit, Action::DuplicateCommit];
            actions.extend(fates.map(|fate| fate(attempt)));
        }
        if half.rollback_under_way {
            actions.extend([Action::ApplyRollback(attempt), Action::LoseRollback(attempt)]);
        }
        let checker_is_free = transaction_check::is_free(state, attempt);
        match half.fate {
            HalfFate::Open if half.checks < protocol.bounds.checks_max => {
                if checker_is_free {
                    actions.push(Action::Check(attempt));
                }
                actions.push(Action::LoseCheck(attempt));
            }
            HalfFate::Open => actions.push(Action::Discard(attempt)),
            HalfFate::Committed | HalfFate::RolledBack if checker_is_free => {
                actions.push(Action::CheckEnded(attempt));
            }
            _ => {}
        }
    }
}

/// The end may arrive at any later time, or never.
pub(crate) fn send_end(
    protocol: &Creating,
    state: &mut State,
    attempt: AttemptId,
    resolution: Resolution,
) {
    let transaction = transaction_of(&protocol.variant, attempt);
    let half = &mut state.broker.halves[attempt];
    match resolution {
        Resolution::Commit => {
            half.commits_under_way = MANY.min(half.commits_under_way + 1);
            state.past.ends_conflict |= state.past.rollback_sent[transaction];
        }
        Resolution::Rollback => {
            // A second ROLLBACK, or one after an end, changes nothing.
            half.rollback_under_way = half.fate == HalfFate::Open;
            // A message on the topic stays there.
            if state.broker.visible[transaction] == 0 {
                state.past.rollback_sent[transaction] = true;
                // A COMMIT is sent for the order's attempt only, so this shows both kinds of
                // conflict.
                state.past.ends_conflict |= state.order_is_of(transaction);
            }
        }
    }
}

/// Makes a copy of a transaction's half message visible.
pub(crate) fn show(state: &mut State, transaction: TransactionId) {
    let broker = &mut state.broker;
    broker.visible[transaction] = MANY.min(broker.visible[transaction] + 1);
    broker.unacknowledged = MANY.min(broker.unacknowledged + 1);
}

pub(crate) fn apply_commit(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    duplicate_commit(protocol, state, attempt);
    lose_commit(state, attempt);
}

pub(crate) fn duplicate_commit(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].end(HalfFate::Committed);
    show(state, transaction_of(&protocol.variant, attempt));
}

pub(crate) const fn lose_commit(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].commits_under_way -= 1;
}

pub(crate) fn apply_rollback(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].end(HalfFate::RolledBack);
}

pub(crate) const fn lose_rollback(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].rollback_under_way = false;
}

pub(crate) fn check(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    lose_check(state, attempt);
    transaction_check::read(protocol, state, attempt);
}

/// The counter rises even if no checker can be asked.
pub(crate) const fn lose_check(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].checks += 1;
}

pub(crate) fn check_ended(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    transaction_check::read(protocol, state, attempt);
}

pub(crate) fn discard(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].end(HalfFate::Discarded);
}
