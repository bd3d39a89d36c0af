//! Lists a user's orders, the newest first.

mod cursor;

use std::time::Duration;

use domain::identity::UserId;
use domain::order::{Order, OrderStatus, StoredOrder};
use tokio::time::timeout;

use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{OrderKeys, OrderListing, OrderPosition, PageLimit};
use cursor::Cursor;

/// How often the table is asked for one page: a rare status among many orders must not cost more.
/// The page then has fewer orders than asked for, and a cursor.
const READS_MAX: u32 = 5;

/// The part of the request's time that is kept for the position at which the next page begins, and
/// for the answer. After the first read a page ends when the rest is over, so that a slow table
/// does not keep a request until it is cut off, without any progress for its client.
const RESERVE: Duration = Duration::from_secs(1);

pub struct ListOrders<Orders> {
    /// The orders, and what is at their keys.
    pub orders: Orders,
}

#[derive(Debug, Clone, Copy)]
pub struct OrderQuery<'a> {
    pub limit: PageLimit,
    /// The status of the orders to list; `None` lists all orders.
    pub status: Option<OrderStatus>,
    /// Where the page before ended, from its `next_cursor`.
    pub cursor: Option<&'a str>,
}

#[derive(Debug)]
pub struct OrderPage {
    pub orders: Vec<Order>,
    /// The `cursor` of the next page's query, if there is one.
    pub next_cursor: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ListOrdersError {
    /// The cursor does not belong to a page of these orders: it was changed, or belongs to another
    /// user, another status or another version of this service.
    #[error("the cursor is not of a page of these orders")]
    InvalidCursor,
    #[error("the orders can't be listed")]
    Unavailable(#[from] Failure),
}

impl<Orders: OrderListing + OrderKeys> ListOrders<Orders> {
    /// A page. Only the last page has no cursor; the others may also have fewer orders than asked
    /// for.
    ///
    /// # Errors
    ///
    /// [`ListOrdersError`]
    pub async fn execute(
        &self,
        user_id: UserId,
        query: OrderQuery<'_>,
        within: Deadline,
    ) -> Result<OrderPage, ListOrdersError> {
        let after = match query.cursor {
            Some(text) => Some(self.position(user_id, query.status, text).await?),
            None => None,
        };
        let (orders, next) = self.read(user_id, query, after, within).await?;
        let next_cursor = match next {
            Some(position) => Some(self.cursor(user_id, query.status, position, &orders).await?),
            None => None,
        };
        let orders = orders.into_iter().map(|stored| stored.order).collect();
        Ok(OrderPage { orders, next_cursor })
    }

    /// The orders of a page, and where the next one begins.
    async fn read(
        &self,
        user_id: UserId,
        query: OrderQuery<'_>,
        mut after: Option<OrderPosition>,
        within: Deadline,
    ) -> Result<(Vec<StoredOrder>, Option<OrderPosition>), Failure> {
        let wanted = usize::from(query.limit.get());
        // A filter drops orders after they are read, so each read asks for the most.
        let at_once = query.status.map_or(query.limit, |_| PageLimit::MAX);
        let mut orders = Vec::with_capacity(wanted);
        let reads_end = within.less(RESERVE);
        for number in 0..READS_MAX {
            let page = self.orders.page(user_id, after, at_once);
            let page = if number == 0 {
                page.await?
            } else {
                let slow = |_| Err(Failure::new(FailureClass::Unavailable, "the table is slow"));
                match timeout(reads_end.remaining(), page).await.unwrap_or_else(slow) {
                    Ok(page) => page,
                    // Where the read before ended is progress.
                    Err(failure) => {
                        let error = &failure as &dyn std::error::Error;
                        tracing::warn!(error, "a page of orders ends early");
                        break;
                    }
                }
            };
            let mut read = page.items.into_iter().peekable();
            while let Some(stored) = read.next() {
                if query.status.is_none_or(|status| stored.order.status() == status) {
                    orders.push(stored);
                }
                if orders.len() == wanted {
                    let is_more = read.peek().is_some() || page.next.is_some();
                    let last = orders.last().filter(|_| is_more).map(OrderPosition::of);
                    return Ok((orders, last));
                }
            }
            after = page.next;
            if after.is_none() || reads_end.has_passed() {
                break;
            }
        }
        Ok((orders, after))
    }

    /// The position that a cursor names.
    async fn position(
        &self,
        user_id: UserId,
        status: Option<OrderStatus>,
        text: &str,
    ) -> Result<OrderPosition, ListOrdersError> {
        let cursor: Cursor = text.parse().map_err(|_| ListOrdersError::InvalidCursor)?;
        let order_id = cursor.position.order_id;
        let at_key = self.orders.at_key(user_id, order_id).await?;
        match at_key.attempt() {
            Some(attempt) if cursor.is_signed_with(attempt, user_id, status) => Ok(cursor.position),
            Some(_) | None => Err(ListOrdersError::InvalidCursor),
        }
    }

    /// The cursor of a position. `orders` are those of the page; as a rule, the position is that of
    /// the last one.
    async fn cursor(
        &self,
        user_id: UserId,
        status: Option<OrderStatus>,
        position: OrderPosition,
        orders: &[StoredOrder],
    ) -> Result<String, Failure> {
        let is_of_it = |stored: &&StoredOrder| stored.order.id() == position.order_id;
        let attempt = match orders.last().filter(is_of_it) {
            Some(stored) => Some(stored.attempt),
            None => self.orders.at_key(user_id, position.order_id).await?.attempt(),
        };
        let missing = || Failure::new(FailureClass::Permanent, "an order of the index is missing");
        let attempt = attempt.ok_or_else(missing)?;
        Ok(Cursor::signed(position, attempt, user_id, status).to_string())
    }
}
