//! A dead letter's event becomes pending again, and effects that were done are not repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{Registry, Subscribed};
use application::events::sweep::SweepReport;
use application::lifetimes;
use application::operations::discard_dead_letter::DiscardError;
use application::operations::redrive::{ExamineDeadLetter, Redrive, RedriveError, RedrivePlan};
use application::outcome::{FailureClass, WriteTry};
use application::ports::pending::{IndexChange, PendingEventStore};
use application::ports::{CheckAnswer, Clock, DeadLetter, DeadLetterId, MessageId, Resolution};
use domain::order::OrderStatus;
use domain::pending::PendingEvents;
use testkit::broker::MemoryBroker;
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::identities::SequentialIdentities;
use testkit::samples::{TRACEPARENT, dead_letter};
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::{MINUTE, given_up, publish};
use crate::events::handlers::{Hopeless, counting};
use crate::events::{LONG, SHORT, assert_confirmed_once, consume, consume_with, created, stored};
use crate::orders::create::{command, create, world};

type MemoryRedrive =
    Redrive<MemoryTables, MemoryTables, SequentialIdentities, MemoryBroker, ManualClock>;

fn redrive(world: &World) -> MemoryRedrive {
    Redrive {
        letters: world.tables.clone(),
        aggregates: world.tables.clone(),
        identities: world.identities.clone(),
        clock: world.clock.clone(),
        publication: Some(publish(world)),
    }
}

fn examine(world: &World) -> ExamineDeadLetter<MemoryTables, MemoryTables> {
    ExamineDeadLetter { letters: world.tables.clone(), aggregates: world.tables.clone() }
}

/// One look of the sweep.
async fn sweep(world: &World) -> SweepReport {
    world.sweep_pending().run(Deadline::after(Duration::from_secs(6))).await
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_handled_as_if_it_had_never_failed() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    let given_up = world.broker.halves()[0].transaction_id;
    let redriven = redrive(&world).redrive(&letter.id()).await.unwrap();
    assert!(redriven.is_published);
    assert_eq!(world.tables.dead_letters(), []);
    let stored = world.tables.stored_order(id).unwrap();
    let entry = stored.pending.get(redriven.event_id).unwrap();
    assert_eq!(entry.failures, 0);
    assert_ne!(entry.transaction_id, given_up, "the old message is not mistaken for it");
    consume(&world, MINUTE).await;
    let stored = world.tables.stored_order(id).unwrap();
    assert_eq!(stored.order.status(), OrderStatus::Confirmed);
    assert!(stored.pending.is_empty());
    let gone = redrive(&world).redrive(&letter.id()).await.unwrap_err();
    assert!(matches!(gone, RedriveError::NotFound), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_left_to_the_sweep_if_no_broker_can_be_reached() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    let without = Redrive { publication: None, ..redrive(&world) };
    let before = world.broker.visible().len();
    assert!(!without.redrive(&letter.id()).await.unwrap().is_published);
    assert_eq!(world.broker.visible().len(), before);
    assert_eq!(sweep(&world).await.sent, 1, "it is not looked up first, and is due at once");
    assert_eq!(world.broker.visible().len(), before + 1);
    consume(&world, MINUTE).await;
    assert_eq!(world.tables.stored_order(id).unwrap().order.status(), OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_whose_answer_was_lost_is_one_redrive() {
    for faults in [
        vec![Fault::ReplyLost],
        vec![Fault::RequestLost],
        vec![Fault::Busy, Fault::Refused(FailureClass::Throttled)],
        vec![Fault::ReplyLost, Fault::Busy],
        vec![Fault::LandsLate],
    ] {
        let world = world();
        let (id, letter) = given_up(&world).await;
        let before = world.broker.visible().len();
        world.tables.script(Operation::RemoveLetter, faults.clone());
        let redriven = redrive(&world).redrive(&letter.id()).await.unwrap();
        assert!(redriven.is_published, "{faults:?}");
        assert_eq!(world.broker.visible().len(), before + 1, "{faults:?}");
        consume(&world, MINUTE).await;
        assert_confirmed_once(&world, id);
        world.tables.apply_late_writes();
        let stored = stored(&world, id);
        assert!(stored.pending.is_empty(), "{faults:?}: a late try does not return it once more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_keeps_the_marks_of_the_handlers_that_were_done() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    let marked = DeadLetter {
        done_by: ["counter".to_owned()].into(),
        ..world.tables.dead_letters().remove(0)
    };
    world.tables.put_dead_letter(marked);
    let redriven = redrive(&world).redrive(&letter.id()).await.unwrap();
    let stored = world.tables.stored_order(id).unwrap();
    let entry = stored.pending.get(redriven.event_id).unwrap();
    assert!(entry.done_by.contains("counter"));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_letter_is_published_first_and_removed_after_the_answer() {
    let world = world();
    create(&world, &command(2, None)).await.unwrap();
    let body = world.broker.halves()[0].message.body.clone().into_bytes();
    let foreign =
        DeadLetter { body_bytes: body.len(), body, ..dead_letter(None, world.clock.now()) };
    world.tables.put_dead_letter(foreign.clone());
    let before = world.broker.visible().len();
    world.broker.script(BrokerFault::PrepareFails, 1);
    let failed = redrive(&world).redrive(&foreign.id()).await.unwrap_err();
    assert!(matches!(failed, RedriveError::Send(_)), "{failed:?}");
    assert_eq!((world.tables.dead_letters().len(), world.broker.visible().len()), (1, before));
    redrive(&world).redrive(&foreign.id()).await.unwrap();
    assert_eq!((world.tables.dead_letters().len(), world.broker.visible().len()), (0, before + 1));
    let without = Redrive { publication: None, ..redrive(&world) };
    world.tables.put_dead_letter(foreign.clone());
    let refused = without.redrive(&foreign.id()).await.unwrap_err();
    assert!(matches!(refused, RedriveError::NeedsBroker), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_not_redriven() {
    let world = world();
    let letter = dead_letter(None, world.clock.now());
    world.tables.put_dead_letter(letter.clone());
    let refused = redrive(&world).redrive(&letter.id()).await.unwrap_err();
    assert!(matches!(refused, RedriveError::Undecodable(_)), "{refused:?}");
    assert_eq!(world.tables.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_was_done_before_its_event_was_given_up_is_not_called_again() {
    let world = world();
    let id = created(&world, 2).await;
    let counted = Arc::new(AtomicU32::new(0));
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    consume_with(&world, counting(&world, &counted, 0), LONG).await;
    world.tables.heal(Operation::Reserve);
    let letter = world.tables.dead_letters().remove(0);
    assert_eq!(letter.done_by, ["counter".to_owned()].into());
    redrive(&world).redrive(&letter.id()).await.unwrap();
    consume_with(&world, counting(&world, &counted, 0), MINUTE).await;
    assert_confirmed_once(&world, id);
    assert_eq!(counted.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_rebuilt_from_its_aggregate_and_sent_under_a_new_publication() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    // Whatever part of the message the letter contains.
    let body = b"{\"specversion\":".to_vec();
    world.tables.put_dead_letter(DeadLetter { body, ..letter.clone() });
    let first = world.broker.halves().remove(0);
    let redriven = redrive(&world).redrive(&letter.id()).await.unwrap();
    assert_eq!(Some(redriven.event_id), letter.event_id);
    let sent = world.broker.halves().pop().unwrap();
    assert_eq!(sent.message, first.message);
    assert_ne!(sent.transaction_id, first.transaction_id);
    assert!(sent.is_recorded);
    assert_eq!(sent.ends, [Resolution::Commit]);
    let entry = stored(&world, id).pending.get(redriven.event_id).unwrap().clone();
    assert_eq!(entry.transaction_id, sent.transaction_id);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_again_is_given_up_again() {
    let world = world();
    let (id, first) = given_up(&world).await;
    let mut messages = vec![first.message_id.clone()];
    for _ in 0..3 {
        redrive(&world).redrive(&first.id()).await.unwrap();
        world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
        assert_eq!(consume(&world, LONG).await.dead_lettered, 1);
        let letters = world.tables.dead_letters();
        let [letter] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!((letter.id(), letter.attempts), (first.id(), 16));
        assert!(!messages.contains(&letter.message_id), "it is another letter");
        messages.push(letter.message_id.clone());
        world.tables.heal(Operation::Reserve);
    }
    redrive(&world).redrive(&first.id()).await.unwrap();
    consume(&world, MINUTE).await;
    assert_confirmed_once(&world, id);
    assert_eq!(world.tables.dead_letters(), []);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_not_lost_whatever_happens_to_its_message() {
    for fault in [
        BrokerFault::PrepareFails,
        BrokerFault::PrepareReplyLost,
        BrokerFault::PrepareDoubtful,
        BrokerFault::EndLost,
        BrokerFault::EndReplyLost,
        BrokerFault::EndRefused,
    ] {
        let world = world();
        let (id, letter) = given_up(&world).await;
        world.broker.script(fault, 1);
        let redriven = redrive(&world).redrive(&letter.id()).await.unwrap();
        assert!(!redriven.is_published, "{fault:?}");
        world.broker.discard_open_halves();
        world.clock.advance(lifetimes::SWEEP_AFTER);
        sweep(&world).await;
        consume(&world, MINUTE).await;
        assert_confirmed_once(&world, id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_back_of_what_a_redrive_sent_commits_it() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    world.broker.script(BrokerFault::EndLost, 1);
    redrive(&world).redrive(&letter.id()).await.unwrap();
    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, [CheckAnswer::Unknown], "its end may only not be recorded yet");
    world.clock.advance(MINUTE);
    let answers = world.broker.check_back(&world.answer_checks()).await;
    assert_eq!(answers, [CheckAnswer::Commit]);
    consume(&world, MINUTE).await;
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_that_cannot_be_done_says_whether_anything_may_have_changed() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    for (fault, in_doubt) in [
        (Fault::Refused(FailureClass::Permanent), false),
        (Fault::Refused(FailureClass::Unavailable), false),
        (Fault::Busy, false),
        (Fault::RequestLost, true),
    ] {
        world.tables.fail_every_call(Operation::RemoveLetter, fault);
        let error = redrive(&world).redrive(&letter.id()).await.unwrap_err();
        assert_eq!(matches!(error, RedriveError::Unknown(_)), in_doubt, "{fault:?}: {error:?}");
        assert_eq!(matches!(error, RedriveError::Failed(_)), !in_doubt, "{fault:?}: {error:?}");
        assert_eq!(world.tables.dead_letters(), std::slice::from_ref(&letter));
        world.tables.heal(Operation::RemoveLetter);
    }
    for unread in [Operation::FindLetter, Operation::FindAggregate] {
        world.tables.script(unread, [Fault::RequestLost]);
        let error = redrive(&world).redrive(&letter.id()).await.unwrap_err();
        assert!(matches!(error, RedriveError::Failed(_)), "{unread:?}: {error:?}");
    }
    redrive(&world).redrive(&letter.id()).await.unwrap();
    consume(&world, MINUTE).await;
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn of_two_redrives_at_once_one_is_done() {
    let world = world();
    let (_, letter) = given_up(&world).await;
    let before = world.broker.visible().len();
    let (id, redrive) = (letter.id(), redrive(&world));
    let (one, other) = tokio::join!(redrive.redrive(&id), redrive.redrive(&id));
    let errors: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
    assert!(matches!(errors[..], [RedriveError::NotFound]), "{errors:?}");
    assert_eq!(world.broker.visible().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_not_there_is_not_redriven() {
    let world = world();
    let (_, letter) = given_up(&world).await;
    let absent = DeadLetterId::parse("absent").unwrap();
    let error = redrive(&world).redrive(&absent).await.unwrap_err();
    assert!(matches!(error, RedriveError::NotFound), "{error:?}");
    assert_eq!(world.tables.dead_letters(), [letter]);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_cut_off_is_not_redriven_unless_its_event_is_ours() {
    let world = world();
    let (_, ours) = given_up(&world).await;
    let cut_off = |letter: &DeadLetter| {
        let body = letter.body[..letter.body.len() / 2].to_vec();
        DeadLetter { body, ..letter.clone() }
    };
    let message_id = MessageId::of("CUT-OFF");
    let foreign = DeadLetter { event_id: None, aggregate: None, message_id, ..cut_off(&ours) };
    world.tables.put_dead_letter(foreign.clone());
    let error = redrive(&world).redrive(&foreign.id()).await.unwrap_err();
    assert!(matches!(error, RedriveError::Undecodable(_)), "{error:?}");
    world.tables.put_dead_letter(cut_off(&ours));
    assert!(redrive(&world).redrive(&ours.id()).await.unwrap().is_published);
    assert_eq!(world.tables.dead_letters(), [foreign]);
}

/// A letter of an event that no aggregate of this deployment raised.
async fn foreign(world: &World) -> DeadLetter {
    create(world, &command(2, None)).await.unwrap();
    let half = world.broker.halves().remove(0);
    let unknown = "\"subject\":";
    let body = half.message.body.replacen(unknown, &format!("\"added\":1,{unknown}"), 1);
    assert_ne!(body, half.message.body);
    let letter = DeadLetter {
        body_bytes: body.len(),
        body: body.into_bytes(),
        traceparent: Some(TRACEPARENT.to_owned()),
        ..dead_letter(None, world.clock.now())
    };
    world.tables.put_dead_letter(letter.clone());
    letter
}

#[tokio::test(start_paused = true)]
async fn a_foreign_event_is_sent_as_it_came_and_no_handler_of_ours_sees_it() {
    let world = world();
    let letter = foreign(&world).await;
    redrive(&world).redrive(&letter.id()).await.unwrap();
    let sent = world.broker.halves().pop().unwrap();
    assert_eq!(
        sent.message.body.as_bytes(),
        letter.body,
        "with the members that newer code has added"
    );
    assert_eq!((sent.message.aggregate, sent.message.traceparent), (None, letter.traceparent));
    assert_eq!(sent.ends, [Resolution::Commit]);
    let report = consume(&world, MINUTE).await;
    assert_eq!((report.foreign, world.broker.unacknowledged()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_letter_that_may_still_be_there_is_reported() {
    for (fault, in_doubt) in
        [(Fault::Refused(FailureClass::Permanent), false), (Fault::ReplyLost, true)]
    {
        let world = world();
        let letter = foreign(&world).await;
        let before = world.broker.visible().len();
        world.tables.fail_every_call(Operation::Discard, fault);
        let error = redrive(&world).redrive(&letter.id()).await.unwrap_err();
        let RedriveError::NotRemoved(cause) = error else { panic!("{fault:?}: {error:?}") };
        assert_eq!(matches!(cause, DiscardError::Unknown(_)), in_doubt, "{fault:?}: {cause:?}");
        assert_eq!(world.broker.visible().len(), before + 1, "{fault:?}");
    }
}

/// As a foreign event it would be acknowledged without a handler, and nothing would show that it
/// was not handled.
#[tokio::test(start_paused = true)]
async fn a_letter_whose_aggregate_is_gone_stays() {
    let world = world();
    let (_, letter) = given_up(&world).await;
    let gone = "USER#1/ORDER#01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let letter = DeadLetter { aggregate: Some(gone), ..letter };
    world.tables.put_dead_letter(letter.clone());
    let before = world.broker.halves().len();
    let error = redrive(&world).redrive(&letter.id()).await.unwrap_err();
    assert!(matches!(error, RedriveError::NotRaised(key) if key == gone), "{error:?}");
    assert_eq!(world.tables.dead_letters(), [letter]);
    assert_eq!(world.broker.halves().len(), before);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_redriven_while_its_letter_is_in_doubt_stays_pending() {
    let world = world();
    let id = created(&world, 2).await;
    // The first try is stored, and those after it come when the event is redriven already.
    let busy = std::iter::repeat_n(Fault::Busy, 5);
    world.tables.script(Operation::RecordLetter, std::iter::once(Fault::ReplyLost).chain(busy));
    let redriven = async {
        while world.tables.dead_letters().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let without = Redrive { publication: None, ..redrive(&world) };
        without.redrive(&world.tables.dead_letters()[0].id()).await.unwrap()
    };
    let registry = Registry::default().with(Subscribed::ToAll, Hopeless);
    let (report, redriven) = tokio::join!(consume_with(&world, registry, SHORT), redriven);
    assert_eq!((report.dead_lettered, report.postponed), (1, 0), "{report:?}");
    assert_eq!(world.tables.dead_letters(), [], "the redrive is not undone");
    assert!(stored(&world, id).pending.holds(redriven.event_id));
}

/// An earlier try may have redriven it, and its event has ended since.
#[tokio::test(start_paused = true)]
async fn a_letter_that_is_gone_after_a_lost_answer_is_in_doubt() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    world.tables.script(Operation::RemoveLetter, [Fault::ReplyLost, Fault::Busy]);
    let ends = async {
        while !world.tables.dead_letters().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let returned = StoredAggregate::Order(stored(&world, id));
        let ended = returned.pending_change(PendingEvents::default(), IndexChange::Leave);
        let within = Deadline::after(MINUTE);
        assert!(matches!(world.tables.change(&ended, within).await, WriteTry::Done));
    };
    let redrive = redrive(&world);
    let given_up = letter.id();
    let (redriven, ()) = tokio::join!(redrive.redrive(&given_up), ends);
    assert!(matches!(redriven, Err(RedriveError::Unknown(_))), "{redriven:?}");
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_examined_for_its_way_back() {
    let world = world();
    let (id, letter) = given_up(&world).await;
    let key = stored(&world, id).key();
    let examined = examine(&world).examine(&letter.id()).await.unwrap();
    assert_eq!(examined.letter, letter);
    assert!(matches!(examined.plan, RedrivePlan::Aggregate(found) if found == key), "{examined:?}");
    assert_eq!(world.tables.dead_letters(), [letter], "examining it changes nothing");
    let elsewhere = DeadLetter {
        aggregate: Some("USER#1/ORDER#01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()),
        ..examined.letter
    };
    world.tables.put_dead_letter(elsewhere.clone());
    let examined = examine(&world).examine(&elsewhere.id()).await.unwrap();
    assert!(
        matches!(examined.plan, RedrivePlan::Refused(RedriveError::NotRaised(_))),
        "{examined:?}"
    );
    let letter = foreign(&world).await;
    let examined = examine(&world).examine(&letter.id()).await.unwrap();
    assert!(matches!(examined.plan, RedrivePlan::Topic), "{examined:?}");
    let garbage = dead_letter(None, world.clock.now());
    world.tables.put_dead_letter(garbage.clone());
    let examined = examine(&world).examine(&garbage.id()).await.unwrap();
    assert!(
        matches!(examined.plan, RedrivePlan::Refused(RedriveError::Undecodable(_))),
        "{examined:?}"
    );
    let missing = DeadLetterId::parse("NOWHERE").unwrap();
    let missing = examine(&world).examine(&missing).await.unwrap_err();
    assert!(matches!(missing, RedriveError::NotFound), "{missing:?}");
}
