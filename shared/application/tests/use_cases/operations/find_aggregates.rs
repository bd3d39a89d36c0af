//! The aggregates of a user, an order or an event are found, and no others.

use std::cell::Cell;

use application::operations::find_aggregates::{
    FindAggregatesError, FindUserAggregates, SearchAggregates, SearchProgress, Wanted,
};
use application::orders::create::CreateOrderCommand;
use application::outcome::FailureClass;
use application::ports::IdentitySource;
use domain::aggregate::AggregateKey;
use domain::identity::UserId;
use testkit::fault::{Fault, Operation};
use testkit::samples::user;
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::MINUTE;
use crate::events::{consume, stored};
use crate::orders::create::{command, create, world};
use crate::users::{HOME, PASSWORD, log_in, register, try_to_log_in, try_to_register};

fn of_user(world: &World) -> FindUserAggregates<MemoryTables, MemoryTables> {
    FindUserAggregates { aggregates: world.tables.clone(), orders: world.tables.clone() }
}

fn search(world: &World) -> SearchAggregates<MemoryTables> {
    SearchAggregates { aggregates: world.tables.clone() }
}

async fn order_of(world: &World, user_id: UserId) -> AggregateKey {
    let command = CreateOrderCommand { user_id, ..command(1, None) };
    let order_id = create(world, &command).await.unwrap().order.id();
    world.clock.advance(MINUTE);
    AggregateKey::Order { user_id, order_id }
}

fn is_mail(key: &AggregateKey) -> bool {
    matches!(key, AggregateKey::Mail { .. })
}

#[tokio::test(start_paused = true)]
async fn a_users_aggregates_are_the_account_its_session_and_its_orders_the_oldest_first() {
    let world = world();
    let user_id = register(&world).await.user_id();
    let (bearer, _) = log_in(&world).await;
    order_of(&world, user(77)).await;
    let session = AggregateKey::Session { session_id: bearer.session_id };
    let mut expected = vec![AggregateKey::Account { user_id }, session];
    // More than a page.
    for _ in 0..103 {
        expected.push(order_of(&world, user_id).await);
    }
    let found = of_user(&world).execute(user_id, None, |_| {}).await.unwrap();
    assert_eq!((found.keys, found.unreadable), (expected.clone(), 0));
    consume(&world, MINUTE).await;
    let AggregateKey::Order { order_id, .. } = expected[2] else { panic!("{expected:?}") };
    let confirmed = stored(&world, order_id).order.history().latest().event.event_id;
    let read = Cell::new(SearchProgress::default());
    let progress = |progress: &SearchProgress| read.set(*progress);
    let found = of_user(&world).execute(user_id, Some(confirmed), progress).await.unwrap();
    assert_eq!(found.keys, [expected[2]]);
    assert_eq!(read.get(), SearchProgress::default(), "sessions and mails were read");
    let of_another = of_user(&world).execute(user(77), Some(confirmed), |_| {}).await.unwrap_err();
    assert!(matches!(of_another, FindAggregatesError::NotFound { unreadable: 0 }));
    let of_nobody = of_user(&world).execute(user(78), None, |_| {}).await.unwrap_err();
    assert!(matches!(of_nobody, FindAggregatesError::NotFound { unreadable: 0 }));
}

#[tokio::test(start_paused = true)]
async fn a_users_sessions_and_mails_are_found_though_their_keys_do_not_name_the_user() {
    const OTHER: &str = "other@example.com";
    let world = World { sends_mails: true, ..world() };
    let user_id = register(&world).await.user_id();
    let mail = world.tables.user_aggregates().into_iter().find(is_mail).unwrap();
    let mut expected = vec![AggregateKey::Account { user_id }, mail];
    for _ in 0..2 {
        world.clock.advance(MINUTE);
        let (bearer, _) = log_in(&world).await;
        expected.push(AggregateKey::Session { session_id: bearer.session_id });
    }
    try_to_register(&world, OTHER, PASSWORD).await.unwrap();
    try_to_log_in(&world, OTHER, PASSWORD, HOME).await.unwrap();
    expected.push(order_of(&world, user_id).await);
    let read = Cell::new(SearchProgress::default());
    let progress = |progress: &SearchProgress| read.set(*progress);
    let found = of_user(&world).execute(user_id, None, progress).await.unwrap();
    assert_eq!((found.keys, found.unreadable), (expected.clone(), 0));
    // Two accounts with a mail each, and three sessions.
    assert_eq!(read.get().aggregates, 7);
    for key in &expected[1..4] {
        let event_id = world.tables.user_events(*key).unwrap().raised[0].stamp.event_id;
        let found = of_user(&world).execute(user_id, Some(event_id), |_| {}).await.unwrap();
        assert_eq!(found.keys, [*key]);
        let another = user(user_id.get() + 1);
        let missing = of_user(&world).execute(another, Some(event_id), |_| {}).await.unwrap_err();
        assert!(matches!(missing, FindAggregatesError::NotFound { unreadable: 0 }), "{missing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_and_an_event_are_found_without_their_user() {
    let world = world();
    let account = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let mut orders = Vec::new();
    for number in 1..20 {
        orders.push(order_of(&world, user(number)).await);
    }
    let AggregateKey::Order { order_id, .. } = orders[7] else { panic!("{orders:?}") };
    let read = Cell::new(SearchProgress::default());
    let progress = |progress: &SearchProgress| read.set(*progress);
    let found = search(&world).execute(Wanted::Order(order_id), progress).await.unwrap();
    assert_eq!(found, orders[7]);
    assert!((1..=19).contains(&read.get().aggregates), "accounts have no orders: {read:?}");
    let session = AggregateKey::Session { session_id: bearer.session_id };
    for key in [AggregateKey::Account { user_id: account.user_id() }, session] {
        let event_id = world.tables.user_events(key).unwrap().raised[0].stamp.event_id;
        let found = search(&world).execute(Wanted::Event(event_id), progress).await.unwrap();
        assert_eq!(found, key);
    }
    let created = stored(&world, order_id).created_event();
    let found = search(&world).execute(Wanted::Event(created), progress).await.unwrap();
    assert_eq!(found, orders[7]);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_no_aggregate_is_not_found_after_all_of_them_were_read() {
    let world = world();
    register(&world).await;
    order_of(&world, user(1)).await;
    let read = Cell::new(SearchProgress::default());
    let progress = |progress: &SearchProgress| read.set(*progress);
    let unknown = Wanted::Event(world.identities.event_id());
    let missing = search(&world).execute(unknown, progress).await.unwrap_err();
    assert!(matches!(missing, FindAggregatesError::NotFound { unreadable: 0 }), "{missing:?}");
    assert_eq!(read.get().aggregates, 2);
    let throttled = Fault::Refused(FailureClass::Throttled);
    world.tables.fail_every_call(Operation::PageOfAggregates, throttled);
    let unread = search(&world).execute(unknown, progress).await.unwrap_err();
    assert!(matches!(unread, FindAggregatesError::Unread(_)), "{unread:?}");
    let unread = of_user(&world).execute(user(1), None, |_| {}).await.unwrap_err();
    assert!(matches!(unread, FindAggregatesError::Unread(_)), "{unread:?}");
    world.tables.fail_every_call(Operation::PageOfOrders, throttled);
    let unread = of_user(&world).execute(user(1), None, |_| {}).await.unwrap_err();
    assert!(matches!(unread, FindAggregatesError::Unread(_)), "{unread:?}");
}
