//! HTTP bodies of orders.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Item;
use crate::timestamp::Timestamp;

/// Every status of an order.
pub const STATUSES: [&str; 4] = ["CREATED", "CONFIRMED", "REJECTED", "CANCELLED"];

/// `POST /v1/orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateOrder {
    /// The user who orders: the user of the token, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u64>,
    /// 1 to 50 lines; lines of one product are merged.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 50)))]
    pub items: Vec<RequestedItem>,
}

/// A requested line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestedItem {
    /// The product: an integer from 0 to 2^53 - 1.
    pub product_id: u64,
    /// How many items: 1 to 999 of one product.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 999)))]
    pub quantity: u64,
}

/// An order as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Order {
    /// The order's identifier. All requests under one `Idempotency-Key` get the same.
    pub order_id: Uuid,
    /// The user who ordered.
    pub user_id: u64,
    /// CREATED, CONFIRMED, REJECTED or CANCELLED.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = STATUSES)))]
    pub status: String,
    /// The ISO 4217 code of all amounts.
    pub currency: String,
    /// One line per product, sorted by product.
    pub items: Vec<Item>,
    /// The sum of the lines, in minor units.
    pub total: u64,
    /// When it was created: the time of its first status.
    pub created_at: Timestamp,
    /// Every status so far, oldest first.
    pub history: Vec<StatusChange>,
    /// The notifications of its user, in the order of the events.
    pub notifications: Vec<Notification>,
}

/// `GET /v1/orders`: a page of a user's orders, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderPage {
    /// At most `limit` orders. There can be fewer on a page that is not the last.
    pub orders: Vec<Order>,
    /// The `cursor` of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A status and when the order reached it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusChange {
    /// CREATED, CONFIRMED, REJECTED or CANCELLED.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = STATUSES)))]
    pub status: String,
    /// When the order reached it.
    pub at: Timestamp,
}

/// A record that the user was notified of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notification {
    /// The event's type, such as `OrderCreated`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When the user was notified.
    pub at: Timestamp,
}
