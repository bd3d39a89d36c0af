//! The creation of an order holds, and each of its parts is needed: the table of verdicts.
//!
//! A row explores all states of a variant, and lists exactly the properties that fail and the
//! states that are reached. A missing part may break more than the property that it protects: a put
//! that takes effect after its ROLLBACK (I5) is then committed as well, so that both ends were sent
//! (I6). Where a property fails, a story follows: the steps that lead to the failure, and break
//! nothing when the part is present.

use crate::creating::action::Action::{
    ApplyCommit, ApplyLatePut, ApplyPut, ApplyRollback, Check, CheckEnded, DelayPut, Deliver,
    Discard, End, Fence, GiveUp, LoseCheck, LoseCommit, LosePutAnswer, RefusePut, RefuseRequest,
    ResendPut, SendHalf, SendPut, Sweep,
};
use crate::creating::properties::{
    I1_NO_PHANTOM, I2_NOTHING_LOST, I3_EFFECT_ONCE, I4_ANSWERS_TRUE, I5_ROLLBACK_FINAL,
    I6_ENDS_AGREE, S1_HANDLED, S2_DUPLICATES, S3_DISCARDS, S4_RETRY_SUCCEEDS, S5_WITHOUT_BROKER,
    S6_LIVE_REPLAY,
};
use crate::creating::protocol::Creating;
use crate::creating::variant::{
    Bounds, EventRaised, FenceWrite, NothingFound, PutCondition, TransactionIds, Variant,
};
use crate::exploration::explore;
use crate::story::follow;

/// States that the full protocol reaches.
const ALL: &[&str] =
    &[S1_HANDLED, S2_DUPLICATES, S3_DISCARDS, S4_RETRY_SUCCEEDS, S5_WITHOUT_BROKER, S6_LIVE_REPLAY];

/// Without a fence, no retry can succeed after one.
const NEVER_FENCED: &[&str] =
    &[S1_HANDLED, S2_DUPLICATES, S3_DISCARDS, S5_WITHOUT_BROKER, S6_LIVE_REPLAY];

/// If an order needs the broker.
const NEVER_WITHOUT_BROKER: &[&str] =
    &[S1_HANDLED, S2_DUPLICATES, S3_DISCARDS, S4_RETRY_SUCCEEDS, S6_LIVE_REPLAY];

/// With neither.
const PLAIN: &[&str] = &[S1_HANDLED, S2_DUPLICATES, S3_DISCARDS, S6_LIVE_REPLAY];

/// Properties that fail in some variant.
const BROKEN: &[&str] = &[
    I1_NO_PHANTOM,
    I2_NOTHING_LOST,
    I3_EFFECT_ONCE,
    I4_ANSWERS_TRUE,
    I5_ROLLBACK_FINAL,
    I6_ENDS_AGREE,
];

/// Without the sweep nothing would publish an event without a half message, so no order is created
/// without the broker either.
const WITHOUT_SWEEP: Variant =
    Variant { sweep: false, accept_without_broker: false, ..Variant::FULL };

#[test]
fn the_creation_of_an_order_holds() {
    let bounds = Bounds { faults: 3, ..Bounds::USUAL };
    explore("creating", Creating { variant: Variant::FULL, bounds }).finds(&[], ALL);
}

#[test]
fn it_holds_when_no_order_is_created_without_the_broker() {
    let variant = Variant { accept_without_broker: false, ..Variant::FULL };
    explore("never without the broker", usual(variant)).finds(&[], NEVER_WITHOUT_BROKER);
}

#[test]
#[ignore = "seventeen million states take minutes: `cargo xtask verify --full` runs it"]
fn it_holds_for_three_attempts() {
    let bounds = Bounds { attempts: 3, faults: 1, ..Bounds::USUAL };
    explore("three attempts", Creating { variant: Variant::FULL, bounds }).finds(&[], ALL);
}

/// The sweep alone keeps I1 to I4. The fence makes a ROLLBACK final.
#[test]
fn without_the_fence_a_late_put_lands_after_a_rollback() {
    let variant = Variant { nothing_found: NothingFound::Rollback, ..Variant::FULL };
    explore("without the fence", usual(variant))
        .finds(&[I5_ROLLBACK_FINAL, I6_ENDS_AGREE], NEVER_FENCED);
    let late = [SendHalf(0), SendPut(0), Check(0), ApplyRollback(0), ApplyPut(0)];
    follow(usual(variant), &late).breaks(I5_ROLLBACK_FINAL);
    follow(usual(variant), &[late.as_slice(), &[End(0)]].concat()).breaks(I6_ENDS_AGREE);
    // With the fence, the same put is refused.
    let fenced = [SendHalf(0), SendPut(0), Check(0), Fence(0), ApplyRollback(0), ApplyPut(0)];
    follow(usual(Variant::FULL), &fenced).breaks_nothing();
}

#[test]
fn a_put_that_does_not_look_at_the_fence_lands_after_a_rollback() {
    let variant = Variant { put_condition: PutCondition::NoOrder, ..Variant::FULL };
    explore("the put doesn't look at the fence", almost_faultless(variant))
        .finds(&[I5_ROLLBACK_FINAL, I6_ENDS_AGREE], NEVER_FENCED);
    let late = [SendHalf(0), SendPut(0), Check(0), Fence(0), ApplyPut(0)];
    follow(usual(variant), &late).breaks(I5_ROLLBACK_FINAL);
    follow(usual(Variant::FULL), &late).breaks_nothing();
}

/// An order has no `fenced`, so its set contains no attempt.
#[test]
fn a_put_without_the_condition_on_a_tombstone_overwrites_an_order() {
    let variant = Variant { put_condition: PutCondition::NotFenced, ..Variant::FULL };
    explore("the put doesn't ask for a tombstone", usual(variant)).finds(BROKEN, ALL);
    let overwritten =
        [SendHalf(0), SendPut(0), ApplyPut(0), End(0), SendHalf(1), SendPut(1), ApplyPut(1)];
    follow(usual(variant), &overwritten).breaks(I4_ANSWERS_TRUE);
    follow(usual(Variant::FULL), &overwritten).breaks_nothing();
}

/// All attempts meet at one key, so the tombstone must be a set.
#[test]
fn a_fence_that_replaces_the_one_before_it_lets_a_fenced_attempt_land() {
    let variant = Variant { fence_write: FenceWrite::ReplaceUnlessOrder, ..Variant::FULL };
    explore("a fence replaces the one before it", almost_faultless(variant))
        .finds(&[I4_ANSWERS_TRUE, I5_ROLLBACK_FINAL, I6_ENDS_AGREE], ALL);
    let late =
        [SendHalf(0), SendPut(0), Check(0), Fence(0), SendHalf(1), Check(1), Fence(1), ApplyPut(0)];
    follow(usual(variant), &late).breaks(I5_ROLLBACK_FINAL);
    follow(usual(Variant::FULL), &late).breaks_nothing();
}

/// An order with fences looks like a tombstone to the next put.
#[test]
fn a_fence_that_is_added_to_an_order_lets_another_attempt_overwrite_it() {
    let variant = Variant { fence_write: FenceWrite::Add, ..Variant::FULL };
    explore("a fence is added to an order", usual(variant)).finds(BROKEN, ALL);
    let overwritten = [
        SendHalf(0),
        SendPut(0),
        Check(0),
        ApplyPut(0),
        Fence(0),
        SendHalf(1),
        SendPut(1),
        ApplyPut(1),
        ApplyCommit(0),
    ];
    follow(usual(variant), &overwritten).breaks(I1_NO_PHANTOM);
    follow(usual(Variant::FULL), &overwritten).breaks_nothing();
}

#[test]
fn without_a_second_read_the_order_of_a_live_attempt_is_rolled_back() {
    let variant = Variant { nothing_found: NothingFound::FenceAndRollback, ..Variant::FULL };
    explore("no read after the fence", almost_faultless(variant)).finds(&[I6_ENDS_AGREE], ALL);
    let landed = [SendHalf(0), SendPut(0), Check(0), ApplyPut(0), Fence(0)];
    follow(usual(variant), &landed).breaks(I6_ENDS_AGREE);
    follow(usual(Variant::FULL), &landed).breaks_nothing();
}

#[test]
fn without_the_sweep_an_event_is_lost() {
    explore("without the sweep", usual(WITHOUT_SWEEP))
        .finds(&[I2_NOTHING_LOST], NEVER_WITHOUT_BROKER);
    let lost = [SendHalf(0), SendPut(0), ApplyPut(0), End(0), LoseCommit(0)];
    let answered = [Check(0), ApplyCommit(0), Deliver];
    follow(usual(WITHOUT_SWEEP), &[lost.as_slice(), &answered].concat()).breaks_nothing();
    let bounds = Bounds { checks_max: 1, ..Bounds::USUAL };
    let discarded = [lost.as_slice(), &[LoseCheck(0), Discard(0)]].concat();
    follow(Creating { variant: WITHOUT_SWEEP, bounds }, &discarded).breaks(I2_NOTHING_LOST);
    let found = [discarded.as_slice(), &[Sweep, Deliver]].concat();
    follow(Creating { variant: Variant::FULL, bounds }, &found).breaks_nothing();
}

#[test]
fn without_the_fence_and_the_sweep_both_happen() {
    let variant = Variant { nothing_found: NothingFound::Rollback, ..WITHOUT_SWEEP };
    explore("without fence and sweep", usual(variant))
        .finds(&[I2_NOTHING_LOST, I5_ROLLBACK_FINAL, I6_ENDS_AGREE], PLAIN);
}

/// Safe, but the half message of every attempt that died uses up all its checks and is discarded.
#[test]
fn answering_unknown_instead_of_fencing_holds() {
    let variant = Variant { nothing_found: NothingFound::Unknown, ..Variant::FULL };
    explore("UNKNOWN instead of a fence", usual(variant)).finds(&[], NEVER_FENCED);
}

#[test]
fn answering_unknown_instead_of_fencing_does_not_replace_the_sweep() {
    let variant = Variant { nothing_found: NothingFound::Unknown, ..WITHOUT_SWEEP };
    explore("UNKNOWN, and no sweep", usual(variant)).finds(&[I2_NOTHING_LOST], PLAIN);
}

/// Safe, but each check-back of a message that is on the topic makes a copy of it.
#[test]
fn a_check_back_that_does_not_look_at_the_topic_holds_and_makes_copies() {
    let variant = Variant { event_raised: EventRaised::Commit, ..Variant::FULL };
    explore("COMMIT without a look at the topic", usual(variant)).finds(&[], ALL);
    let asked_again = [
        SendHalf(0),
        SendPut(0),
        ApplyPut(0),
        End(0),
        ApplyCommit(0),
        CheckEnded(0),
        ApplyCommit(0),
    ];
    follow(usual(variant), &asked_again).reaches(S2_DUPLICATES);
}

/// The sweep alone keeps I1 to I4 here as well.
#[test]
fn a_check_back_that_leaves_an_event_to_the_sweep_rolls_back_an_order() {
    let variant = Variant { event_raised: EventRaised::Rollback, ..Variant::FULL };
    explore("ROLLBACK of what was raised", usual(variant)).finds(&[I6_ENDS_AGREE], ALL);
    let rolled_back = [SendHalf(0), SendPut(0), ApplyPut(0), Check(0)];
    follow(usual(variant), &rolled_back).breaks(I6_ENDS_AGREE);
    follow(usual(Variant::FULL), &rolled_back).breaks_nothing();
}

#[test]
fn an_attempt_that_does_not_recognise_its_own_order_rolls_it_back() {
    let variant = Variant { own_order_recognised: false, ..Variant::FULL };
    explore("the own order judged as another's", usual(variant)).finds(&[I6_ENDS_AGREE], ALL);
    let resent = [SendHalf(0), SendPut(0), LosePutAnswer(0), ResendPut(0), ApplyPut(0), End(0)];
    follow(usual(variant), &resent).breaks(I6_ENDS_AGREE);
    follow(usual(Variant::FULL), &resent).breaks_nothing();
}

#[test]
fn a_refusal_that_settles_an_earlier_doubt_rolls_back_a_put_that_lands_late() {
    let variant = Variant { doubt_outlives_refusal: false, ..Variant::FULL };
    explore("doubts settled by refusals", usual(variant))
        .finds(&[I4_ANSWERS_TRUE, I5_ROLLBACK_FINAL, I6_ENDS_AGREE], ALL);
    let doubt = [SendHalf(0), SendPut(0), DelayPut(0), ResendPut(0), RefusePut(0)];
    let late = [doubt.as_slice(), &[End(0), ApplyRollback(0), ApplyLatePut(0)]].concat();
    follow(usual(variant), &late).breaks(I5_ROLLBACK_FINAL);
    // In the full protocol the process doesn't know the outcome, and sends nothing.
    follow(usual(Variant::FULL), &doubt).breaks_nothing();
}

#[test]
fn a_refusal_without_a_read_of_the_key_denies_an_order() {
    let variant = Variant { looks_before_refusal: false, ..Variant::FULL };
    explore("no look before a refusal", usual(variant)).finds(&[I4_ANSWERS_TRUE], ALL);
    let denied = [SendHalf(0), SendPut(0), LosePutAnswer(0), GiveUp(0), RefuseRequest(1)];
    follow(usual(variant), &denied).breaks(I4_ANSWERS_TRUE);
    follow(usual(Variant::FULL), &denied).breaks_nothing();
}

/// Safe while no put is refused before it begins; but once an attempt is fenced, no retry ever
/// succeeds.
#[test]
fn with_a_transaction_id_shared_by_retries_none_succeeds_after_a_fence() {
    let variant = Variant { transaction_ids: TransactionIds::SharedByRetries, ..Variant::FULL };
    let bounds = Bounds { refusals: false, ..Bounds::USUAL };
    explore("one id for all retries", Creating { variant, bounds }).finds(&[], NEVER_FENCED);
    // The ROLLBACK of a refusal ends all retries, whatever their outcome.
    explore("one id for all retries, refusals", usual(variant))
        .finds(&[I5_ROLLBACK_FINAL, I6_ENDS_AGREE], NEVER_FENCED);
}

/// For a variant that breaks without any fault. With two faults there would be a million states.
const fn almost_faultless(variant: Variant) -> Creating {
    Creating { variant, bounds: Bounds { faults: 1, ..Bounds::USUAL } }
}

const fn usual(variant: Variant) -> Creating {
    Creating { variant, bounds: Bounds::USUAL }
}
