//! Checks whether orders can be created and events reach their subscribers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::timestamp::Timestamp;

use crate::lifetimes;
use crate::ports::pending::PendingEventAges;
use crate::ports::{Clock, NameServers, OrderRoute, Tables};

/// How long an event may be pending: until the sweep has looked at it, and as long again.
const PENDING_MAX: Duration = lifetimes::SWEEP_AFTER.saturating_mul(2);

/// How long a verdict is kept, so that many requests don't load the tables.
const KEPT: Duration = Duration::from_secs(2);

pub struct AssessHealth<Probed, Servers, Ages, Time> {
    pub tables: Probed,
    pub name_servers: Servers,
    pub events: Ages,
    pub clock: Time,
    /// Whether orders are created while no broker can be reached.
    pub accept_without_broker: bool,
    /// The last verdict, which is used again for two seconds.
    pub last: LastVerdict,
}

/// The last verdict of a process, and when it was made.
#[derive(Debug, Default)]
pub struct LastVerdict(Mutex<Option<(Timestamp, Health)>>);

impl LastVerdict {
    /// The verdict, if it is still kept at `now`.
    fn at(&self, now: Timestamp) -> Option<Health> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, health) = kept.as_ref()?;
        at.is_younger_than(KEPT, now).then(|| health.clone())
    }

    fn keep(&self, at: Timestamp, health: Health) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, health));
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Orders are created, and their events are published in time.
    Ready,
    /// Orders are created, but their events may be late, for all of these reasons.
    Degraded(Vec<&'static str>),
    /// No order can be created, for all of these reasons.
    Unavailable(Vec<&'static str>),
}

impl<Probed, Servers, Ages, Time> AssessHealth<Probed, Servers, Ages, Time>
where
    Probed: Tables,
    Servers: NameServers,
    Ages: PendingEventAges,
    Time: Clock,
{
    /// The health of the system, at most two seconds old.
    pub async fn execute(&self) -> Health {
        let now = self.clock.now();
        if let Some(health) = self.last.at(now) {
            return health;
        }
        let health = self.assess(now).await;
        self.last.keep(now, health.clone());
        health
    }

    async fn assess(&self, now: Timestamp) -> Health {
        let (tables, route, late) = futures::join!(
            self.tables.readable(),
            self.name_servers.order_route(),
            self.events.any_pending_before(now.minus(PENDING_MAX)),
        );
        if let Err(failure) = tables {
            tracing::error!(
                error = &failure as &dyn std::error::Error,
                "a table that orders need can't be read"
            );
            return Health::Unavailable(vec!["a table that orders need can't be read"]);
        }
        let mut reasons = Vec::new();
        match route {
            OrderRoute::Known => {}
            OrderRoute::NoBroker => {
                reasons.push("no RocketMQ broker takes messages of the order topic");
            }
            OrderRoute::NoAnswer => reasons.push("no RocketMQ name server answers"),
        }
        match late {
            Ok(false) => {}
            Ok(true) => reasons.push("an event has been pending for more than two minutes"),
            Err(failure) => {
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "the index of pending events can't be read"
                );
                reasons.push("the index of pending events can't be read");
            }
        }
        if reasons.is_empty() {
            Health::Ready
        } else if route == OrderRoute::Known || self.accept_without_broker {
            // A late event does not prevent new orders.
            Health::Degraded(reasons)
        } else {
            Health::Unavailable(reasons)
        }
    }
}
