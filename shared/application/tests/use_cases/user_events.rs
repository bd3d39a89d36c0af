//! What users do reaches their topic, without a broker on their way.

use std::time::Duration;

use application::consume_events::ConsumptionReport;
use application::deadline::Deadline;
use application::ports::Topic;
use contracts::event::{Event, EventType};
use testkit::world::World;

use crate::users::{log_in, register};

#[tokio::test(start_paused = true)]
async fn the_sweep_publishes_what_users_did_and_the_observer_closes_the_loop() {
    let world = World::default();
    register(&world).await;
    log_in(&world).await;
    assert_eq!(world.broker.visible(), Vec::<String>::new());

    let swept = world.sweep().run(Deadline::after(Duration::from_secs(50))).await;
    assert_eq!(swept.sent, 2);
    let mut told: Vec<_> = world
        .broker
        .visible()
        .iter()
        .map(|body| Event::decode(body.as_bytes()).unwrap().data.event_type())
        .collect();
    told.sort_by_key(|event_type| event_type.as_str());
    assert_eq!(told, [EventType::UserLoggedIn, EventType::UserRegistered]);

    let consumed =
        world.consume_events(world.registry()).run(Deadline::after(Duration::from_secs(60))).await;
    assert_eq!(consumed, ConsumptionReport { handled: 2, ..ConsumptionReport::default() });
    for stored in world.tables.events() {
        assert_eq!(stored.event.message.topic, Topic::Users);
        assert!(!stored.unobserved && stored.expires_at.is_some());
    }
}
