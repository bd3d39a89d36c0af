//! create-order, and the network between it, the broker and the tables.

use crate::action::{Action, AttemptId};
use crate::parties::broker;
use crate::protocol::Protocol;
use crate::state::{
    Answer, HalfFate, Order, Progress, Resolution, Settlement, State, TransactionState,
    transaction_of,
};

/// What can happen to the attempts.
pub(crate) fn possible(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for attempt in 0..protocol.bounds.attempts {
        match state.attempts[attempt].progress {
            Progress::NotBegun => begin(protocol, state, attempt, actions),
            Progress::Prepared => {
                actions.extend([Action::SendTx(attempt), Action::Crash(attempt)]);
            }
            Progress::Trying(_) => {
                actions.push(Action::ApplyTx(attempt));
                // Of a cancelled try whose answer is lost nothing is left, as of one that was lost.
                if is_applicable(protocol, state, attempt) {
                    actions.push(Action::ApplyTxReplyLost(attempt));
                }
                actions.extend([Action::LoseTx(attempt), Action::DelayTx(attempt)]);
                if protocol.bounds.refusals {
                    actions.push(Action::RefuseTx(attempt));
                }
                actions.push(Action::Crash(attempt));
            }
            Progress::InDoubt(tries) => {
                if tries < protocol.bounds.tries_max {
                    actions.push(Action::ResendTx(attempt));
                }
                actions.push(Action::GiveUp(attempt));
            }
            Progress::Settled(_) => {
                actions.extend([Action::End(attempt), Action::Crash(attempt)]);
            }
            Progress::Abandoned | Progress::Answered(_) => {}
        }
        if state.attempts[attempt].late_try {
            actions.push(Action::ApplyLateTx(attempt));
        }
    }
}

/// Attempts begin one after the other, each at any time after the one before it.
fn begin(protocol: &Protocol, state: &State, attempt: AttemptId, actions: &mut Vec<Action>) {
    if attempt > 0 && state.attempts[attempt - 1].progress == Progress::NotBegun {
        return;
    }
    actions.push(Action::SendHalf(attempt));
    if protocol.variant.accept_without_broker {
        actions.push(Action::SkipHalf(attempt));
        // The request needs another attempt to go on as.
        if attempt + 1 < protocol.bounds.attempts {
            actions.push(Action::HalfAckLost(attempt));
        }
    } else {
        actions.extend([Action::HalfLost(attempt), Action::HalfAckLost(attempt)]);
    }
}

pub(crate) fn send_half(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].fate = HalfFate::Open;
    state.attempts[attempt].progress = Progress::Prepared;
}

pub(crate) fn half_ack_lost(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].fate = HalfFate::Open;
    if protocol.variant.accept_without_broker {
        state.attempts[attempt].progress = Progress::Abandoned;
        state.attempts[attempt + 1].progress = Progress::Prepared;
    } else {
        refuse_for_now(state, attempt);
    }
}

pub(crate) fn half_lost(state: &mut State, attempt: AttemptId) {
    refuse_for_now(state, attempt);
}

/// Whoever is about to be refused for a reason that can change is replayed if the key remembers an
/// order.
fn refuse_for_now(state: &mut State, attempt: AttemptId) {
    let remembered = state.tables.order.is_some();
    let answer = if remembered { Answer::Replayed } else { Answer::Unavailable };
    state.attempts[attempt].progress = Progress::Answered(answer);
}

pub(crate) fn skip_half(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].progress = Progress::Prepared;
}

pub(crate) fn send_tx(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].progress = Progress::Trying(1);
}

pub(crate) fn apply_tx(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    let settlement = if apply(protocol, state, attempt) {
        Settlement::Committed
    } else {
        judge(protocol, state, attempt)
    };
    settle(state, attempt, settlement);
}

pub(crate) fn apply_tx_reply_lost(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    apply(protocol, state, attempt);
    doubt(state, attempt);
}

pub(crate) fn lose_tx(state: &mut State, attempt: AttemptId) {
    doubt(state, attempt);
}

pub(crate) fn delay_tx(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].late_try = true;
    doubt(state, attempt);
}

pub(crate) fn refuse_tx(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    let in_doubt = state.attempts[attempt].tries() > 1;
    if in_doubt && protocol.variant.doubt_outlives_refusal {
        give_up(state, attempt);
    } else {
        settle(state, attempt, Settlement::NotStored);
    }
}

pub(crate) fn apply_late_tx(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    apply(protocol, state, attempt);
}

pub(crate) fn resend_tx(state: &mut State, attempt: AttemptId) {
    let tries = state.attempts[attempt].tries();
    state.attempts[attempt].progress = Progress::Trying(tries + 1);
}

/// Nothing is sent while nobody knows.
pub(crate) fn give_up(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].progress = Progress::Answered(Answer::Open);
}

/// The end goes its way; whether it arrives changes nothing for the client.
pub(crate) fn end(protocol: &Protocol, state: &mut State, attempt: AttemptId) {
    let Progress::Settled(settlement) = state.attempts[attempt].progress else {
        panic!("attempt {attempt} ends before it is settled");
    };
    let resolution = match settlement {
        Settlement::Committed => Resolution::Commit,
        Settlement::Remembered | Settlement::Fenced | Settlement::NotStored => Resolution::Rollback,
    };
    broker::send_end(protocol, state, attempt, resolution);
    state.attempts[attempt].progress = Progress::Answered(answer_to(settlement));
}

pub(crate) fn crash(state: &mut State, attempt: AttemptId) {
    if matches!(state.attempts[attempt].progress, Progress::Trying(_)) {
        state.attempts[attempt].late_try = true;
    }
    give_up(state, attempt);
}

/// Whether the conditions of an attempt's local transaction hold: the attempt has no record, and
/// the key remembers no order.
fn is_applicable(protocol: &Protocol, state: &State, attempt: AttemptId) -> bool {
    let transaction = transaction_of(&protocol.variant, attempt);
    state.tables.transactions[transaction].is_none() && state.tables.order.is_none()
}

/// A late try that can't take effect any more changes nothing, whether it arrives or not.
pub(crate) fn forget_late_tries(protocol: &Protocol, state: &mut State) {
    for attempt in 0..protocol.bounds.attempts {
        state.attempts[attempt].late_try &= is_applicable(protocol, state, attempt);
    }
}

/// The local transaction: order, outbox copy, `TXN#` and `IDEM#`, all or none.
fn apply(protocol: &Protocol, state: &mut State, attempt: AttemptId) -> bool {
    let applicable = is_applicable(protocol, state, attempt);
    if applicable {
        let transaction = transaction_of(&protocol.variant, attempt);
        let half = state.broker.halves[attempt].fate;
        state.tables.transactions[transaction] = Some(TransactionState::Committed);
        state.tables.order = Some(Order {
            placed_by: attempt,
            transaction,
            unobserved: true,
            unpublished: half == HalfFate::Absent,
            handled: false,
            effects: 0,
        });
        state.history.committed_after_rollback |= half == HalfFate::RolledBack;
    }
    applicable
}

/// What a cancelled transaction tells, in the order in which it may be asked.
fn judge(protocol: &Protocol, state: &State, attempt: AttemptId) -> Settlement {
    let transaction = transaction_of(&protocol.variant, attempt);
    if protocol.variant.own_records_recognised && state.order_is_of(transaction) {
        return Settlement::Committed;
    }
    if state.tables.order.is_some() {
        return Settlement::Remembered;
    }
    Settlement::Fenced
}

/// Without a half message there is nothing to end, and the client is told at once.
fn settle(state: &mut State, attempt: AttemptId, settlement: Settlement) {
    let half = state.broker.halves[attempt].fate;
    state.attempts[attempt].progress = match half {
        HalfFate::Absent => Progress::Answered(answer_to(settlement)),
        _ => Progress::Settled(settlement),
    };
}

const fn answer_to(settlement: Settlement) -> Answer {
    match settlement {
        Settlement::Committed => Answer::Created,
        Settlement::Remembered => Answer::Replayed,
        Settlement::Fenced | Settlement::NotStored => Answer::Unavailable,
    }
}

const fn doubt(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].progress = Progress::InDoubt(state.attempts[attempt].tries());
}
