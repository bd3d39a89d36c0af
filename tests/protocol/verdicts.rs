//! The protocol holds, and each of its parts is needed: the table of verdicts.
//!
//! A row explores a variant whole, and says exactly which properties fail and which states are
//! reached. A part that is missing may break more than the property that it is there for: a transaction
//! that lands after its rollback (I5) is committed all the same, so that both ends were sent (I6).
//! Where something fails, its story follows: how it comes to that, step by step, and that
//! the same steps do no harm when the part is there.

use crate::action::Action::{
    ApplyLateTx, ApplyTx, ApplyTxReplyLost, Check, CheckLost, CrashBeforeAck, DelayTx, Deliver,
    Discard, End, LoseCommit, RefuseTx, ResendTx, RpcCommit, RpcRollback, SendHalf, SendTx,
    SkipHalf, SweepSends,
};
use crate::exploration::explore;
use crate::properties::{
    I2_NOTHING_LOST, I3_EFFECT_ONCE, I4_ANSWERS_TRUE, I5_ROLLBACK_FINAL, I6_ENDS_AGREE, S1_COMMITS,
    S2_DUPLICATES, S3_DISCARDS, S4_RETRY_SUCCEEDS,
};
use crate::protocol::Protocol;
use crate::story::tell;
use crate::variant::{Bounds, RecordAbsent, TransactionIds, Variant};

/// What a variant that fences can reach.
const ALL: [&str; 4] = [S1_COMMITS, S2_DUPLICATES, S3_DISCARDS, S4_RETRY_SUCCEEDS];

/// Where nothing is fenced, no retry can succeed after a fence.
const ALL_BUT_S4: [&str; 3] = [S1_COMMITS, S2_DUPLICATES, S3_DISCARDS];

/// Without the sweep nothing would publish an event that is born unpublished, so no order is taken
/// without the broker either.
const WITHOUT_SWEEP: Variant =
    Variant { sweep: false, accept_without_broker: false, ..Variant::FULL };

#[test]
fn the_protocol_holds() {
    explore("the protocol", usual(Variant::FULL)).finds([], ALL);
}

#[test]
fn the_protocol_holds_when_no_order_is_taken_without_the_broker() {
    let variant = Variant { accept_without_broker: false, ..Variant::FULL };
    explore("never without the broker", usual(variant)).finds([], ALL);
}

#[test]
#[ignore = "ten million states take minutes and 1.2 GB: `cargo xtask verify --full` runs it"]
fn the_protocol_holds_for_three_attempts() {
    let bounds = Bounds { attempts: 3, faults: 2, ..Bounds::USUAL };
    explore("three attempts", Protocol { variant: Variant::FULL, bounds }).finds([], ALL);
}

/// The sweep alone keeps I1 to I4. It is the fence that makes a ROLLBACK final.
#[test]
fn without_the_fence_a_late_transaction_commits_after_a_rollback() {
    let variant = Variant { record_absent: RecordAbsent::Rollback, ..Variant::FULL };
    explore("without the fence", usual(variant))
        .finds([I5_ROLLBACK_FINAL, I6_ENDS_AGREE], ALL_BUT_S4);
    let late = [SendHalf(0), SendTx(0), Check(0), RpcRollback(0), ApplyTx(0)];
    tell(usual(variant), &late).breaks(I5_ROLLBACK_FINAL);
    tell(usual(variant), &[late.as_slice(), &[End(0)]].concat()).breaks(I6_ENDS_AGREE);
    // With it, the same transaction is cancelled.
    tell(usual(Variant::FULL), &late).breaks_nothing();
}

#[test]
fn without_the_sweep_an_event_is_lost() {
    explore("without the sweep", usual(WITHOUT_SWEEP)).finds([I2_NOTHING_LOST], ALL);
    let lost = [
        SendHalf(0),
        SendTx(0),
        ApplyTx(0),
        End(0),
        LoseCommit(0),
        CheckLost(0),
        CheckLost(0),
        Discard(0),
    ];
    tell(usual(WITHOUT_SWEEP), &lost).breaks(I2_NOTHING_LOST);
    let found = [lost.as_slice(), &[SweepSends, Deliver(0)]].concat();
    tell(usual(Variant::FULL), &found).breaks_nothing();
}

#[test]
fn without_the_fence_and_the_sweep_both_happen() {
    let variant = Variant { record_absent: RecordAbsent::Rollback, ..WITHOUT_SWEEP };
    explore("without fence and sweep", usual(variant))
        .finds([I2_NOTHING_LOST, I5_ROLLBACK_FINAL, I6_ENDS_AGREE], ALL_BUT_S4);
}

/// Safe, but the half message of every attempt that died burns all its checks and is discarded.
#[test]
fn answering_unknown_instead_of_fencing_holds() {
    let variant = Variant { record_absent: RecordAbsent::Unknown, ..Variant::FULL };
    explore("UNKNOWN instead of a fence", usual(variant)).finds([], ALL_BUT_S4);
}

#[test]
fn answering_unknown_instead_of_fencing_does_not_replace_the_sweep() {
    let variant = Variant { record_absent: RecordAbsent::Unknown, ..WITHOUT_SWEEP };
    explore("UNKNOWN, and no sweep", usual(variant)).finds([I2_NOTHING_LOST], ALL_BUT_S4);
}

#[test]
fn a_transaction_that_does_not_recognise_its_own_records_is_rolled_back() {
    let variant = Variant { own_records_recognised: false, ..Variant::FULL };
    explore("own records not recognised", usual(variant)).finds([I6_ENDS_AGREE], ALL);
    let resent = [SendHalf(0), SendTx(0), ApplyTxReplyLost(0), ResendTx(0), ApplyTx(0), End(0)];
    tell(usual(variant), &resent).breaks(I6_ENDS_AGREE);
    tell(usual(Variant::FULL), &resent).breaks_nothing();
}

#[test]
fn a_refusal_that_settles_an_earlier_doubt_rolls_back_what_lands_late() {
    let variant = Variant { doubt_outlives_refusal: false, ..Variant::FULL };
    explore("doubts settled by refusals", usual(variant))
        .finds([I4_ANSWERS_TRUE, I5_ROLLBACK_FINAL, I6_ENDS_AGREE], ALL);
    let late = [
        SendHalf(0),
        SendTx(0),
        DelayTx(0),
        ResendTx(0),
        RefuseTx(0),
        End(0),
        RpcRollback(0),
        ApplyLateTx(0),
    ];
    tell(usual(variant), &late).breaks(I5_ROLLBACK_FINAL);
    // As it is, the process doesn't know, and sends nothing.
    tell(usual(Variant::FULL), &late[..5]).breaks_nothing();
}

#[test]
fn without_the_inbox_an_effect_happens_twice() {
    let variant = Variant { inbox: false, ..Variant::FULL };
    explore("without the inbox", usual(variant)).finds([I3_EFFECT_ONCE], ALL);
    let taken = [SendHalf(0), SendTx(0), ApplyTx(0), End(0)];
    let redelivered = [RpcCommit(0), CrashBeforeAck(0), Deliver(0)];
    let sent_twice = [SweepSends, RpcCommit(0), Deliver(0), Deliver(0)];
    for twice in [redelivered.as_slice(), &sent_twice] {
        let story = [taken.as_slice(), twice].concat();
        tell(usual(variant), &story).breaks(I3_EFFECT_ONCE);
        tell(usual(Variant::FULL), &story).breaks_nothing();
    }
}

/// Safe as long as no transaction is refused before it begins, but once fenced, no retry ever
/// succeeds.
#[test]
fn with_a_transaction_id_shared_by_retries_none_succeeds_after_a_fence() {
    let variant = Variant { transaction_ids: TransactionIds::SharedByRetries, ..Variant::FULL };
    let bounds = Bounds { refusals: false, ..Bounds::USUAL };
    explore("one id for all retries", Protocol { variant, bounds }).finds([], ALL_BUT_S4);
    // A refusal's ROLLBACK speaks for all retries, whatever becomes of them.
    explore("one id for all retries, refusals", usual(variant)).finds([I6_ENDS_AGREE], ALL_BUT_S4);
}

#[test]
fn an_order_is_taken_while_no_broker_can_be_had() {
    let story = [SkipHalf(0), SendTx(0), ApplyTx(0), SweepSends, Deliver(0)];
    tell(usual(Variant::FULL), &story).breaks_nothing().reaches(S1_COMMITS);
}

const fn usual(variant: Variant) -> Protocol {
    Protocol { variant, bounds: Bounds::USUAL }
}
