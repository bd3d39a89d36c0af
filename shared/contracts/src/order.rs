//! HTTP bodies of orders.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Item;
use crate::timestamp::Timestamp;

/// `POST /v1/orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOrder {
    /// Whose order it is: the token's user, or left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u64>,
    /// 1 to 50 lines; lines of one product are merged.
    pub items: Vec<RequestedItem>,
}

/// A line that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedItem {
    /// Of what: an integer up to 2^53 - 1.
    pub product_id: u64,
    /// How many: 1 to 999 of one product.
    pub quantity: u64,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which one.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: u64,
    /// CREATED, CONFIRMED, REJECTED or CANCELLED.
    pub status: String,
    /// ISO 4217.
    pub currency: String,
    /// One line per product, sorted by product.
    pub items: Vec<Item>,
    /// The sum, in minor units.
    pub total: u64,
    /// When it was taken.
    pub created_at: Timestamp,
    /// Every status it had, oldest first.
    pub history: Vec<StatusChange>,
    /// What its customer was told, oldest first.
    pub notifications: Vec<Notification>,
}

/// A status and when the order reached it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// What it became.
    pub status: String,
    /// When.
    pub at: Timestamp,
}

/// That the customer was told of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When.
    pub at: Timestamp,
}
