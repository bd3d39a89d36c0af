//! Finds the aggregates whose events an operator wants to send again.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId, UserId};
use domain::timestamp::Timestamp;
use futures::future::try_join_all;

use crate::events::StoredAggregate;
use crate::outcome::Failure;
use crate::ports::aggregates::{Segment, StoredAggregates};
use crate::ports::pending::PendingEventStore;
use crate::ports::{OrderListing, PageLimit, Topic};

#[derive(Debug, thiserror::Error)]
pub enum FindAggregatesError {
    /// All aggregates were read, and the wanted one is not among them. It may be one of those that
    /// this code can't read.
    #[error("not found; {unreadable} aggregates can't be read")]
    NotFound { unreadable: u64 },
    #[error("not all aggregates could be read")]
    Unread(#[source] Failure),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAggregates {
    /// The keys of the aggregates: the account's, those of its sessions and mails, the oldest
    /// first, and those of its orders, the oldest first.
    pub keys: Vec<AggregateKey>,
    /// The user's orders that exist but can't be read, and the accounts, sessions and mails of any
    /// user that can't be.
    pub unreadable: u64,
}

/// Finds a user's account, sessions, mails and orders.
///
/// The keys of sessions and mails do not name the user, so those of all users are read.
#[derive(Debug, Clone)]
pub struct FindUserAggregates<Aggregates, Orders> {
    pub aggregates: Aggregates,
    pub orders: Orders,
}

impl<Aggregates, Orders> FindUserAggregates<Aggregates, Orders>
where
    Aggregates: PendingEventStore + StoredAggregates,
    Orders: OrderListing,
{
    /// The aggregates of a user, or only the one that has raised `event_id`: then sessions and
    /// mails are read only if neither the account nor an order has. An order that was created
    /// within the last seconds may be missing. `progress` gets each change of the counts of
    /// accounts, sessions and mails.
    ///
    /// # Errors
    ///
    /// [`FindAggregatesError`]
    pub async fn execute(
        &self,
        user_id: UserId,
        event_id: Option<EventId>,
        progress: impl Fn(&SearchProgress),
    ) -> Result<UserAggregates, FindAggregatesError> {
        let is_wanted =
            |stored: &StoredAggregate| event_id.is_none_or(|event_id| stored.raised(event_id));
        let account = self.aggregates.find(AggregateKey::Account { user_id }).await;
        let account = account.map_err(FindAggregatesError::Unread)?.filter(is_wanted);
        let mut keys: Vec<_> = account.iter().map(StoredAggregate::key).collect();
        let (mut orders, mut unreadable, mut after) = (Vec::new(), 0, None);
        let is_found = loop {
            let page = self.orders.page(user_id, after, PageLimit::MAX).await;
            let page = page.map_err(FindAggregatesError::Unread)?;
            unreadable += page.unreadable;
            let stored = page.items.into_iter().map(StoredAggregate::Order).filter(is_wanted);
            orders.extend(stored.map(|stored| stored.key()));
            after = page.next;
            let is_found = event_id.is_some() && !(keys.is_empty() && orders.is_empty());
            if after.is_none() || is_found {
                break is_found;
            }
        };
        if !is_found {
            let reading = Reading::new(progress);
            keys.extend(self.sessions_and_mails(user_id, is_wanted, &reading).await?);
            unreadable += reading.unreadable();
        }
        keys.extend(orders.into_iter().rev());
        if keys.is_empty() {
            return Err(FindAggregatesError::NotFound { unreadable });
        }
        Ok(UserAggregates { keys, unreadable })
    }

    /// In the order in which they began, in which their events were raised.
    async fn sessions_and_mails<Progress: Fn(&SearchProgress)>(
        &self,
        user_id: UserId,
        is_wanted: impl Fn(&StoredAggregate) -> bool,
        reading: &Reading<Progress>,
    ) -> Result<Vec<AggregateKey>, FindAggregatesError> {
        let found = Mutex::new(Vec::new());
        let look = |stored: &StoredAggregate| {
            if let Some(at) = begun_by(user_id, stored)
                && is_wanted(stored)
            {
                found.lock().unwrap_or_else(PoisonError::into_inner).push((at, stored.key()));
            }
            ControlFlow::Continue(())
        };
        let read = reading.all(&self.aggregates, &[Topic::Users], look).await;
        read.map_err(FindAggregatesError::Unread)?;
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_unstable();
        Ok(found.into_iter().map(|(_, key)| key).collect())
    }
}

/// When a session or a mail of this user began; `None` for any other aggregate.
fn begun_by(user_id: UserId, stored: &StoredAggregate) -> Option<Timestamp> {
    match stored {
        StoredAggregate::User(events) if !matches!(events.key, AggregateKey::Account { .. }) => {
            let first = events.raised.first()?;
            (first.user_id == user_id).then_some(first.at)
        }
        StoredAggregate::User(_) | StoredAggregate::Order(_) => None,
    }
}

/// What an aggregate is searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The order with this identifier, of any user.
    Order(OrderId),
    Event(EventId),
}

impl Wanted {
    fn matches(self, stored: &StoredAggregate) -> bool {
        match (self, stored.key()) {
            (Self::Order(wanted), AggregateKey::Order { order_id, .. }) => wanted == order_id,
            (Self::Order(_), _) => false,
            (Self::Event(event_id), _) => stored.raised(event_id),
        }
    }

    const fn topics(self) -> &'static [Topic] {
        match self {
            Self::Order(_) => &[Topic::Orders],
            Self::Event(_) => &Topic::ALL,
        }
    }
}

/// Searches all aggregates.
///
/// The key of an order begins with its user, an event is an attribute of its aggregate, and no
/// index leads to either: such an index would cost each order a write unit, for a question that an
/// operator asks once in a while.
#[derive(Debug, Clone)]
pub struct SearchAggregates<Aggregates> {
    pub aggregates: Aggregates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchProgress {
    /// How many aggregates were read.
    pub aggregates: u64,
    /// Aggregates that exist but can't be read.
    pub unreadable: u64,
}

/// Why the search of a segment has ended before its last page.
enum Ended {
    Found(AggregateKey),
    Unread(Failure),
}

impl<Aggregates: StoredAggregates> SearchAggregates<Aggregates> {
    /// The key of the aggregate. Reads pages until the aggregate is found. `progress` gets each
    /// change of the counts.
    ///
    /// # Errors
    ///
    /// [`FindAggregatesError`]
    pub async fn execute(
        &self,
        wanted: Wanted,
        progress: impl Fn(&SearchProgress),
    ) -> Result<AggregateKey, FindAggregatesError> {
        let reading = Reading::new(progress);
        let look = |stored: &StoredAggregate| {
            if wanted.matches(stored) {
                ControlFlow::Break(stored.key())
            } else {
                ControlFlow::Continue(())
            }
        };
        let found = reading.all(&self.aggregates, wanted.topics(), look).await;
        let found = found.map_err(FindAggregatesError::Unread)?;
        found.ok_or_else(|| FindAggregatesError::NotFound { unreadable: reading.unreadable() })
    }
}

/// Reads aggregates, several segments at the same time, and counts them.
struct Reading<Progress> {
    read: Mutex<SearchProgress>,
    progress: Progress,
}

impl<Progress: Fn(&SearchProgress)> Reading<Progress> {
    fn new(progress: Progress) -> Self {
        Self { read: Mutex::default(), progress }
    }

    fn unreadable(&self) -> u64 {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).unreadable
    }

    /// Looks at each aggregate with events of these topics, until `look` breaks with a key.
    async fn all<Aggregates: StoredAggregates>(
        &self,
        aggregates: &Aggregates,
        topics: &[Topic],
        look: impl Fn(&StoredAggregate) -> ControlFlow<AggregateKey>,
    ) -> Result<Option<AggregateKey>, Failure> {
        let segments =
            Segment::of_topics(topics).map(|segment| self.segment(aggregates, segment, &look));
        match try_join_all(segments).await {
            Err(Ended::Found(key)) => Ok(Some(key)),
            Err(Ended::Unread(failure)) => Err(failure),
            Ok(_) => Ok(None),
        }
    }

    async fn segment<Aggregates: StoredAggregates>(
        &self,
        aggregates: &Aggregates,
        segment: Segment,
        look: &impl Fn(&StoredAggregate) -> ControlFlow<AggregateKey>,
    ) -> Result<(), Ended> {
        let mut after = None;
        loop {
            let page = aggregates.page(segment, after).await.map_err(Ended::Unread)?;
            self.count(page.items.len(), page.unreadable);
            if let ControlFlow::Break(found) = page.items.iter().try_for_each(look) {
                return Err(Ended::Found(found));
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn count(&self, aggregates: usize, unreadable: u64) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.aggregates += u64::try_from(aggregates).unwrap_or(u64::MAX);
        read.unreadable += unreadable;
        (self.progress)(&read);
    }
}
