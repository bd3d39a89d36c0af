//! create-order, and the network between it, the broker and the table.

use crate::creating::action::{Action, AttemptId};
use crate::creating::parties::{broker, orders_table};
use crate::creating::protocol::Creating;
use crate::creating::state::{
    Answer, HalfFate, Progress, Resolution, Settlement, State, transaction_of,
};

pub(crate) fn possible(protocol: &Creating, state: &State, actions: &mut Vec<Action>) {
    for attempt in 0..protocol.bounds.attempts {
        match state.attempts[attempt].progress {
            Progress::NotBegun => begin(protocol, state, attempt, actions),
            Progress::Prepared => {
                actions.extend([Action::SendPut(attempt), Action::Crash(attempt)]);
            }
            Progress::Putting(_) => putting(protocol, state, attempt, actions),
            Progress::InDoubt(puts) => {
                if puts < protocol.bounds.puts_max {
                    actions.push(Action::ResendPut(attempt));
                }
                actions.push(Action::GiveUp(attempt));
            }
            Progress::Settled(_) => {
                actions.extend([Action::End(attempt), Action::Crash(attempt)]);
            }
            Progress::Abandoned | Progress::Answered(_) => {}
        }
        if state.attempts[attempt].late_put {
            actions.push(Action::ApplyLatePut(attempt));
        }
    }
}

/// Attempts begin in the order of their numbers, each at any time after the one before it: all may
/// live at once.
fn begin(protocol: &Creating, state: &State, attempt: AttemptId, actions: &mut Vec<Action>) {
    let before = attempt.checked_sub(1).map(|before| state.attempts[before].progress);
    if before == Some(Progress::NotBegun) {
        return;
    }
    let fates = [Action::SendHalf, Action::LoseHalfAnswer, Action::RefuseRequest];
    actions.extend(fates.map(|fate| fate(attempt)));
    if protocol.variant.accept_without_broker {
        actions.push(Action::SkipHalf(attempt));
        if before == Some(Progress::Abandoned) {
            actions.push(Action::GoOnWithoutHalf(attempt));
        }
    } else {
        actions.push(Action::RefuseWithoutHalf(attempt));
    }
}

/// A put is under way, and its process waits for the answer.
fn putting(protocol: &Creating, state: &State, attempt: AttemptId, actions: &mut Vec<Action>) {
    let fates = [Action::ApplyPut, Action::DropPut, Action::DelayPut, Action::Crash];
    actions.extend(fates.map(|fate| fate(attempt)));
    // A refused put whose answer is lost leaves no trace, like a lost put.
    if orders_table::put_applies(protocol, state, attempt) {
        actions.push(Action::LosePutAnswer(attempt));
    }
    if protocol.bounds.refusals {
        actions.push(Action::RefusePut(attempt));
    }
}

pub(crate) fn send_half(state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].fate = HalfFate::Open;
    state.attempts[attempt].progress = Progress::Prepared;
}

/// Without `accept_without_broker`, the request is refused, unless it tries again.
pub(crate) fn lose_half_answer(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    state.broker.halves[attempt].fate = HalfFate::Open;
    if protocol.variant.accept_without_broker {
        state.attempts[attempt].progress = Progress::Abandoned;
    } else {
        refuse(protocol, state, attempt, Answer::Unavailable);
    }
}

pub(crate) fn go_without_half(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].progress = Progress::Prepared;
}

/// A request that is about to be refused for a reason that can change is answered with the order at
/// its key, if there is one.
pub(crate) fn refuse(protocol: &Creating, state: &mut State, attempt: AttemptId, answer: Answer) {
    let order_exists = state.item.order.is_some();
    let answer = if order_exists && protocol.variant.looks_before_refusal {
        Answer::Replayed
    } else {
        state.past.refused_despite_order |= order_exists;
        answer
    };
    state.attempts[attempt].progress = Progress::Answered(answer);
}

pub(crate) fn send_put(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].progress = Progress::Putting(1);
}

pub(crate) fn apply_put(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    let settlement = if orders_table::put(protocol, state, attempt) {
        Settlement::Committed
    } else {
        judge(protocol, state, attempt)
    };
    settle(state, attempt, settlement);
}

pub(crate) fn lose_put_answer(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    orders_table::put(protocol, state, attempt);
    doubt(state, attempt);
}

pub(crate) const fn drop_put(state: &mut State, attempt: AttemptId) {
    doubt(state, attempt);
}

pub(crate) const fn delay_put(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].late_put = true;
    doubt(state, attempt);
}

pub(crate) fn refuse_put(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    let in_doubt = state.attempts[attempt].progress.puts() > 1;
    if in_doubt && protocol.variant.doubt_outlives_refusal {
        give_up(state, attempt);
    } else {
        settle(state, attempt, Settlement::NotStored);
    }
}

pub(crate) fn apply_late_put(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    orders_table::put(protocol, state, attempt);
    state.attempts[attempt].late_put = false;
}

pub(crate) const fn resend_put(state: &mut State, attempt: AttemptId) {
    let puts = state.attempts[attempt].progress.puts();
    state.attempts[attempt].progress = Progress::Putting(puts + 1);
}

/// No end is sent while the outcome is unknown.
pub(crate) const fn give_up(state: &mut State, attempt: AttemptId) {
    state.attempts[attempt].progress = Progress::Answered(Answer::Unknown);
}

/// Whether the end arrives makes no difference to the client.
pub(crate) fn end(protocol: &Creating, state: &mut State, attempt: AttemptId) {
    let Progress::Settled(settlement) = state.attempts[attempt].progress else {
        panic!("attempt {attempt} ends before it is settled");
    };
    let resolution = match settlement {
        Settlement::Committed => Resolution::Commit,
        Settlement::AnothersOrder | Settlement::Fenced | Settlement::NotStored => {
            Resolution::Rollback
        }
    };
    broker::send_end(protocol, state, attempt, resolution);
    state.attempts[attempt].progress = Progress::Answered(answer_to(settlement));
}

pub(crate) const fn crash(state: &mut State, attempt: AttemptId) {
    if matches!(state.attempts[attempt].progress, Progress::Putting(_)) {
        state.attempts[attempt].late_put = true;
    }
    give_up(state, attempt);
}

/// A late put that can no longer take effect changes nothing, whether it arrives or not.
pub(crate) fn forget_late_puts(protocol: &Creating, state: &mut State) {
    for attempt in 0..protocol.bounds.attempts {
        let is_over = orders_table::put_is_over(protocol, state, attempt);
        state.attempts[attempt].late_put &= !is_over;
    }
}

/// The outcome of a refused put, from the item that it found. The order of the checks matters.
fn judge(protocol: &Creating, state: &State, attempt: AttemptId) -> Settlement {
    let transaction = transaction_of(&protocol.variant, attempt);
    if protocol.variant.own_order_recognised && state.order_is_of(transaction) {
        return Settlement::Committed;
    }
    if state.item.order.is_some() {
        return Settlement::AnothersOrder;
    }
    Settlement::Fenced
}

/// Without a half message there is nothing to end, and the client is answered immediately.
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
        Settlement::AnothersOrder => Answer::Replayed,
        Settlement::Fenced => Answer::Fenced,
        Settlement::NotStored => Answer::Unavailable,
    }
}

const fn doubt(state: &mut State, attempt: AttemptId) {
    let puts = state.attempts[attempt].progress.puts();
    state.attempts[attempt].progress = Progress::InDoubt(puts);
}
