//! Finds the aggregates whose events an operator wants to send again.

use std::sync::{Mutex, PoisonError};

use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId, UserId};
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
    /// The keys of the aggregates: the account's, then those of its orders, the oldest first.
    pub keys: Vec<AggregateKey>,
    /// Orders that exist but can't be read.
    pub unreadable: u64,
}

/// Finds a user's account and orders. Sessions and mails are not among them: their keys do not name
/// the user.
#[derive(Debug, Clone)]
pub struct FindUserAggregates<Aggregates, Orders> {
    pub aggregates: Aggregates,
    pub orders: Orders,
}

impl<Aggregates, Orders> FindUserAggregates<Aggregates, Orders>
where
    Aggregates: PendingEventStore,
    Orders: OrderListing,
{
    /// The aggregates of a user, or only the one that has raised `event_id`. An order that was
    /// created within the last seconds may be missing.
    ///
    /// # Errors
    ///
    /// [`FindAggregatesError`]
    pub async fn execute(
        &self,
        user_id: UserId,
        event_id: Option<EventId>,
    ) -> Result<UserAggregates, FindAggregatesError> {
        let is_wanted =
            |stored: &StoredAggregate| event_id.is_none_or(|event_id| stored.raised(event_id));
        let account = self.aggregates.find(AggregateKey::Account { user_id }).await;
        let account = account.map_err(FindAggregatesError::Unread)?.filter(is_wanted);
        let (mut orders, mut unreadable, mut after) = (Vec::new(), 0, None);
        loop {
            let page = self.orders.page(user_id, after, PageLimit::MAX).await;
            let page = page.map_err(FindAggregatesError::Unread)?;
            unreadable += page.unreadable;
            let stored = page.items.into_iter().map(StoredAggregate::Order).filter(is_wanted);
            orders.extend(stored.map(|stored| stored.key()));
            after = page.next;
            let is_found = event_id.is_some() && !(account.is_none() && orders.is_empty());
            if after.is_none() || is_found {
                break;
            }
        }
        let account = account.iter().map(StoredAggregate::key);
        let keys: Vec<_> = account.chain(orders.into_iter().rev()).collect();
        if keys.is_empty() {
            return Err(FindAggregatesError::NotFound { unreadable });
        }
        Ok(UserAggregates { keys, unreadable })
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
        let read = Mutex::new(SearchProgress::default());
        let count = |aggregates, unreadable| {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            read.aggregates += aggregates;
            read.unreadable += unreadable;
            progress(&read);
            read.unreadable
        };
        let searched = Segment::of_topics(wanted.topics())
            .map(|segment| self.segment(segment, wanted, &count));
        match try_join_all(searched).await {
            Err(Ended::Found(key)) => Ok(key),
            Err(Ended::Unread(failure)) => Err(FindAggregatesError::Unread(failure)),
            Ok(_) => Err(FindAggregatesError::NotFound { unreadable: count(0, 0) }),
        }
    }

    async fn segment(
        &self,
        segment: Segment,
        wanted: Wanted,
        count: &impl Fn(u64, u64) -> u64,
    ) -> Result<(), Ended> {
        let mut after = None;
        loop {
            let page = self.aggregates.page(segment, after).await.map_err(Ended::Unread)?;
            count(u64::try_from(page.items.len()).unwrap_or(u64::MAX), page.unreadable);
            if let Some(found) = page.items.iter().find(|stored| wanted.matches(stored)) {
                return Err(Ended::Found(found.key()));
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
