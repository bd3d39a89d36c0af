//! Health reports what a client and an alarm need to know, and no more.

use std::sync::Mutex;
use std::time::Duration;

use application::operations::assess_health::{AssessHealth, Health, LastVerdict};
use application::outcome::{Failure, FailureClass};
use application::ports::pending::PendingEventAges;
use application::ports::{Clock, NameServers, OrderRoute, Tables};
use domain::timestamp::Timestamp;
use testkit::clock::ManualClock;

#[derive(Clone, Copy)]
struct Answers {
    tables_readable: bool,
    route: OrderRoute,
    /// `None`: the index can't be read.
    is_any_late: Option<bool>,
}

const ALL_WELL: Answers =
    Answers { tables_readable: true, route: OrderRoute::Known, is_any_late: Some(false) };

fn away() -> Failure {
    Failure::new(FailureClass::Unavailable, "away on demand")
}

impl Tables for Answers {
    async fn readable(&self) -> Result<(), Failure> {
        if self.tables_readable { Ok(()) } else { Err(away()) }
    }
}

impl NameServers for Answers {
    async fn order_route(&self) -> OrderRoute {
        self.route
    }
}

impl PendingEventAges for Answers {
    async fn any_pending_before(&self, _: Timestamp) -> Result<bool, Failure> {
        self.is_any_late.ok_or_else(away)
    }
}

async fn assess(answers: Answers, accept_without_broker: bool) -> Health {
    let (tables, name_servers, events) = (answers, answers, answers);
    let (clock, last) = (ManualClock::default(), LastVerdict::default());
    AssessHealth { tables, name_servers, events, clock, accept_without_broker, last }
        .execute()
        .await
}

/// The brokers are away, or the name servers.
const NO_ROUTE: [Answers; 2] = [
    Answers { route: OrderRoute::NoBroker, ..ALL_WELL },
    Answers { route: OrderRoute::NoAnswer, ..ALL_WELL },
];

const LATE: [Answers; 2] =
    [Answers { is_any_late: Some(true), ..ALL_WELL }, Answers { is_any_late: None, ..ALL_WELL }];

#[tokio::test]
async fn a_healthy_system_is_ready() {
    assert_eq!(assess(ALL_WELL, true).await, Health::Ready);
    assert_eq!(assess(ALL_WELL, false).await, Health::Ready);
}

#[tokio::test]
async fn what_only_delays_events_degrades_a_system_that_creates_orders_without_the_broker() {
    for answers in NO_ROUTE.into_iter().chain(LATE) {
        let health = assess(answers, true).await;
        assert!(matches!(&health, Health::Degraded(reasons) if reasons.len() == 1), "{health:?}");
    }
}

#[tokio::test]
async fn a_system_that_needs_the_broker_for_orders_is_unavailable_without_a_route() {
    let mut all_reasons = Vec::new();
    for answers in NO_ROUTE {
        let health = assess(answers, false).await;
        let Health::Unavailable(reasons) = health else { panic!("{health:?}") };
        all_reasons.push(reasons);
    }
    let [no_broker, no_answer] = all_reasons.as_slice() else { panic!("{all_reasons:?}") };
    assert_ne!(no_broker, no_answer, "an operator must know which of them is away");
}

#[tokio::test]
async fn an_event_that_is_late_makes_no_system_unavailable() {
    for answers in LATE {
        let health = assess(answers, false).await;
        assert!(matches!(&health, Health::Degraded(reasons) if reasons.len() == 1), "{health:?}");
    }
}

#[tokio::test]
async fn an_unreadable_table_that_orders_need_makes_any_system_unavailable() {
    let answers = Answers { tables_readable: false, ..ALL_WELL };
    for accept_without_broker in [true, false] {
        let health = assess(answers, accept_without_broker).await;
        assert!(matches!(&health, Health::Unavailable(_)), "{health:?}");
    }
}

#[derive(Default)]
struct RecordedCalls(Mutex<Vec<Timestamp>>);

impl PendingEventAges for RecordedCalls {
    async fn any_pending_before(&self, at: Timestamp) -> Result<bool, Failure> {
        self.0.lock().unwrap().push(at);
        Ok(false)
    }
}

#[tokio::test]
async fn a_verdict_is_kept_for_two_seconds_and_an_event_may_be_pending_for_two_minutes() {
    let clock = ManualClock::default();
    let began = clock.now();
    let assess = AssessHealth {
        tables: ALL_WELL,
        name_servers: ALL_WELL,
        events: RecordedCalls::default(),
        clock: clock.clone(),
        accept_without_broker: true,
        last: LastVerdict::default(),
    };
    let calls = async || {
        assert_eq!(assess.execute().await, Health::Ready);
        assess.events.0.lock().unwrap().clone()
    };
    let first = calls().await;
    let [at] = first.as_slice() else { panic!("{first:?}") };
    assert!(clock.now().since(*at) >= Duration::from_secs(120));
    assert!(began.since(*at) <= Duration::from_secs(120));
    clock.advance(Duration::from_millis(1_500));
    assert_eq!(calls().await.len(), 1, "the verdict is kept");
    clock.advance(Duration::from_millis(1_000));
    assert_eq!(calls().await.len(), 2);
    clock.set_back(Duration::from_secs(60));
    assert_eq!(calls().await.len(), 3, "a clock that was set back keeps no verdict");
}
