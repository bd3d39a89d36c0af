//! Single paths that are worth a test. Each breaks nothing and reaches its state.

use crate::creating::action::Action::{
    ApplyCommit, ApplyLatePut, ApplyPut, ApplyRollback, Check, CheckEnded, CrashAfterFence,
    DelayPut, Deliver, DropPut, End, Fence, GiveUp, GoOnWithoutHalf, LoseHalfAnswer, RefuseRequest,
    ResendPut, SendHalf, SendPut, SkipHalf, Sweep,
};
use crate::creating::properties::{
    S1_HANDLED, S4_RETRY_SUCCEEDS, S5_WITHOUT_BROKER, S6_LIVE_REPLAY,
};
use crate::creating::protocol::Creating;
use crate::creating::variant::{Bounds, Variant};
use crate::story::follow;

const FULL: Creating = Creating { variant: Variant::FULL, bounds: Bounds::USUAL };

#[test]
fn an_order_is_created_while_the_broker_is_away() {
    let story = [SkipHalf(0), SendPut(0), ApplyPut(0), Sweep, Deliver];
    follow(FULL, &story).breaks_nothing().reaches(S5_WITHOUT_BROKER);
}

#[test]
fn two_requests_at_once_create_one_order() {
    let story =
        [SendHalf(0), SendHalf(1), SendPut(0), SendPut(1), ApplyPut(1), ApplyPut(0), End(0)];
    follow(FULL, &story).breaks_nothing().reaches(S6_LIVE_REPLAY);
}

#[test]
fn two_checkers_of_one_attempt_answer_alike() {
    let story = [SendHalf(0), SendPut(0), Check(0), Check(0), Fence(0), ApplyPut(0), Fence(0)];
    follow(FULL, &story).breaks_nothing();
}

#[test]
fn a_checker_that_dies_after_its_fence_leaves_it_to_the_next() {
    let story = [SendHalf(0), SendPut(0), Check(0), CrashAfterFence(0), ApplyPut(0), Check(0)];
    follow(FULL, &story).breaks_nothing();
}

/// The half message belongs to another attempt than the order, so it is rolled back without a
/// fence.
#[test]
fn an_order_is_created_beside_a_doubtful_half_message() {
    let abandoned = [LoseHalfAnswer(0), GoOnWithoutHalf(1), SendPut(1), ApplyPut(1)];
    let story = [abandoned.as_slice(), &[Check(0), ApplyRollback(0), Sweep, Deliver]].concat();
    follow(FULL, &story).breaks_nothing().reaches(S5_WITHOUT_BROKER);
}

/// A broker that records ends late asks about half messages that have ended. The answer makes no
/// copy.
#[test]
fn a_check_back_of_a_message_on_the_topic_is_rolled_back_and_makes_no_copy() {
    let visible = [SendHalf(0), SendPut(0), ApplyPut(0), End(0), ApplyCommit(0)];
    let story = [visible.as_slice(), &[CheckEnded(0), Deliver]].concat();
    follow(FULL, &story).breaks_nothing().reaches(S1_HANDLED);
}

#[test]
fn a_fenced_attempt_is_refused_and_the_next_one_succeeds() {
    let fenced = [SendHalf(0), SendPut(0), DropPut(0), Check(0), Fence(0), ResendPut(0)];
    let story =
        [fenced.as_slice(), &[ApplyPut(0), End(0), SendHalf(1), SendPut(1), ApplyPut(1), End(1)]];
    follow(FULL, &story.concat()).breaks_nothing().reaches(S4_RETRY_SUCCEEDS);
}

/// A refusal holds only for the moment: a put of an earlier request may still be on its way. The
/// API's documentation says how long to look for the order after a 503.
#[test]
fn a_request_may_be_refused_before_the_put_of_another_lands() {
    let unknown = [SendHalf(0), SendPut(0), DelayPut(0), GiveUp(0)];
    let story = [unknown.as_slice(), &[RefuseRequest(1), ApplyLatePut(0)]].concat();
    follow(FULL, &story).breaks_nothing();
}
