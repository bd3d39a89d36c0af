//! `Inbox`, `Observations` and `Notifications`.

use application::lifetimes;
use application::outcome::WriteTry;
use application::ports::{
    EffectCancelled, Inbox, InboxRecord, Notifications, Observations, OrderReader,
};
use domain::order::Notification;
use domain::timestamp::Timestamp;
use futures::future::join_all;

use super::orders::place;
use super::{TableFixture, moment, soon};
use crate::identities::SequentialIdentities;
use crate::samples::{TakenOrder, taken, user};

/// That nothing but the inbox record stood against an effect. What else is reported then depends on
/// what the store looks at.
pub(super) fn assert_handled(outcome: &WriteTry<EffectCancelled>) {
    let WriteTry::Cancelled(cancelled) = outcome else { panic!("{outcome:?}") };
    assert!(cancelled.handled, "{cancelled:?}");
}

/// That the subject alone stood against an effect.
pub(super) fn assert_subject_refused(outcome: &WriteTry<EffectCancelled>) {
    let WriteTry::Cancelled(cancelled) = outcome else { panic!("{outcome:?}") };
    let expected = EffectCancelled { subject_refused: true, ..EffectCancelled::default() };
    assert_eq!(*cancelled, expected);
}

/// That a handler's inbox record is not there: it can be stored.
pub(super) async fn assert_unhandled(fixture: &impl TableFixture, record: &InboxRecord) {
    let recorded = fixture.inbox().record(record, soon()).await;
    assert!(matches!(recorded, WriteTry::Done), "{recorded:?}");
}

fn order() -> TakenOrder {
    taken(&SequentialIdentities::default(), user(123), &[(1, 1)], moment(0))
}

fn until() -> Timestamp {
    moment(0).plus(lifetimes::OBSERVED_EVENT)
}

fn notification(event_type: &str, aggregate_version: u32) -> Notification {
    let at = moment(u64::from(aggregate_version));
    Notification { event_type: event_type.to_owned(), aggregate_version, at }
}

async fn told(fixture: &impl TableFixture, order: &TakenOrder) -> Vec<Notification> {
    let found = fixture.reader().find(order.order.user_id(), order.order.id()).await.unwrap();
    found.unwrap().notifications().to_vec()
}

async fn notify(
    fixture: &impl TableFixture,
    order: &TakenOrder,
    inbox: &InboxRecord,
    notification: &Notification,
) -> WriteTry<EffectCancelled> {
    let (user_id, order_id) = (order.order.user_id(), order.order.id());
    fixture.notifications().notify(inbox, user_id, order_id, notification, soon()).await
}

/// As its name says: another handler's part and another event's are others.
pub async fn a_handler_has_done_its_part_once(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let one = taken(&identities, user(1), &[(1, 1)], moment(0));
    let other = taken(&identities, user(1), &[(1, 1)], moment(0));
    for record in [one.inbox("observer"), one.inbox("inventory"), other.inbox("observer")] {
        assert_unhandled(fixture, &record).await;
        assert_handled(&fixture.inbox().record(&record, soon()).await);
    }
}

/// As its name says.
pub async fn an_event_is_observed_once(fixture: &impl TableFixture) {
    let order = order();
    place(fixture, &order).await;
    let observations = fixture.observations();
    let inbox = order.inbox("observer");
    let first = observations.observe(&inbox, until(), soon()).await;
    assert!(matches!(first, WriteTry::Done), "{first:?}");
    assert_handled(&observations.observe(&inbox, until(), soon()).await);
}

/// As its name says, and no inbox record is stored then.
pub async fn an_observation_is_refused_when_the_copy_is_not_there(fixture: &impl TableFixture) {
    let inbox = order().inbox("observer");
    let observed = fixture.observations().observe(&inbox, until(), soon()).await;
    assert_subject_refused(&observed);
    assert_unhandled(fixture, &inbox).await;
}

/// As its name says.
pub async fn a_customer_is_told_once(fixture: &impl TableFixture) {
    let order = order();
    place(fixture, &order).await;
    let inbox = order.inbox("notification");
    let created = notification("OrderCreated", 1);
    let first = notify(fixture, &order, &inbox, &created).await;
    assert!(matches!(first, WriteTry::Done), "{first:?}");
    assert_handled(&notify(fixture, &order, &inbox, &created).await);
    assert_eq!(told(fixture, &order).await, [created]);
}

/// As its name says.
pub async fn a_customer_is_told_of_each_event_in_the_order_of_the_events(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let order = taken(&identities, user(123), &[(1, 1)], moment(0));
    place(fixture, &order).await;
    let [created, confirmed, cancelled] =
        [("OrderCreated", 1), ("OrderConfirmed", 2), ("OrderCancelled", 3)]
            .map(|(event_type, version)| notification(event_type, version));
    for notification in [&confirmed, &cancelled, &created] {
        let event = taken(&identities, user(123), &[(1, 1)], moment(0));
        let inbox = event.inbox("notification");
        let notified = notify(fixture, &order, &inbox, notification).await;
        assert!(matches!(notified, WriteTry::Done), "{notified:?}");
    }
    assert_eq!(told(fixture, &order).await, [created, confirmed, cancelled]);
}

/// As its name says, and no inbox record is stored then.
pub async fn a_notification_is_refused_when_the_order_is_not_there(fixture: &impl TableFixture) {
    let order = order();
    let inbox = order.inbox("notification");
    let notified = notify(fixture, &order, &inbox, &notification("OrderCreated", 1)).await;
    assert_subject_refused(&notified);
    assert_unhandled(fixture, &inbox).await;
}

/// As its name says.
pub async fn of_ten_tries_of_one_effect_at_once_one_is_stored(fixture: &impl TableFixture) {
    let order = order();
    place(fixture, &order).await;
    let inbox = order.inbox("notification");
    let created = notification("OrderCreated", 1);
    let tries = join_all((0..10).map(|_| notify(fixture, &order, &inbox, &created))).await;
    let stored = tries.iter().filter(|outcome| matches!(outcome, WriteTry::Done)).count();
    assert_eq!(stored, 1, "{tries:?}");
    assert_eq!(told(fixture, &order).await, [created]);
}
