//! Health tells what a client and an alarm have to know, and no more.

use std::time::Duration;

use application::assess_health::{AssessHealth, Health};
use application::outcome::{Failure, FailureClass};
use application::ports::{NameServers, OverdueEvents, Tables};
use domain::timestamp::Timestamp;
use testkit::clock::ManualClock;

/// What the ports answer.
#[derive(Clone, Copy)]
struct Answers {
    tables_readable: bool,
    name_server_reachable: bool,
    /// None: the index can't be read.
    any_overdue: Option<bool>,
}

const ALL_WELL: Answers =
    Answers { tables_readable: true, name_server_reachable: true, any_overdue: Some(false) };

fn away() -> Failure {
    Failure::new(FailureClass::Unavailable, "away on demand")
}

impl Tables for Answers {
    async fn readable(&self) -> Result<(), Failure> {
        if self.tables_readable { Ok(()) } else { Err(away()) }
    }
}

impl NameServers for Answers {
    async fn reachable(&self) -> bool {
        self.name_server_reachable
    }
}

impl OverdueEvents for Answers {
    async fn any_overdue(&self, _: Timestamp, _: Duration) -> Result<bool, Failure> {
        self.any_overdue.ok_or_else(away)
    }
}

async fn assess(answers: Answers, accept_without_broker: bool) -> Health {
    let (tables, name_servers, events) = (answers, answers, answers);
    let clock = ManualClock::default();
    AssessHealth { tables, name_servers, events, clock, accept_without_broker }.execute().await
}

const DEGRADED: [Answers; 3] = [
    Answers { name_server_reachable: false, ..ALL_WELL },
    Answers { any_overdue: Some(true), ..ALL_WELL },
    Answers { any_overdue: None, ..ALL_WELL },
];

#[tokio::test]
async fn a_whole_system_is_ready() {
    assert_eq!(assess(ALL_WELL, true).await, Health::Ready);
    assert_eq!(assess(ALL_WELL, false).await, Health::Ready);
}

#[tokio::test]
async fn what_only_delays_events_degrades_a_system_that_takes_orders_without_the_broker() {
    for answers in DEGRADED {
        let health = assess(answers, true).await;
        assert!(matches!(&health, Health::Degraded(reasons) if reasons.len() == 1), "{health:?}");
    }
}

#[tokio::test]
async fn the_same_makes_a_system_unavailable_that_does_not() {
    for answers in DEGRADED {
        let health = assess(answers, false).await;
        assert!(matches!(&health, Health::Unavailable(_)), "{health:?}");
    }
}

#[tokio::test]
async fn a_table_that_orders_need_and_nobody_can_read_makes_any_system_unavailable() {
    let answers = Answers { tables_readable: false, ..ALL_WELL };
    for accept_without_broker in [true, false] {
        let health = assess(answers, accept_without_broker).await;
        assert!(matches!(&health, Health::Unavailable(_)), "{health:?}");
    }
}
