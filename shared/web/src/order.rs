//! Orders as bodies.

use application::event::items;
use contracts::order::{Notification, StatusChange};
use contracts::timestamp::Timestamp;
use domain::order::Order;

/// An order as the API shows it.
pub fn order_body(order: &Order) -> contracts::order::Order {
    contracts::order::Order {
        order_id: *order.id().as_uuid(),
        user_id: order.user_id().get(),
        status: order.status().as_str().to_owned(),
        currency: order.currency().code().to_owned(),
        items: items(order.lines()),
        total: order.total().minor(),
        created_at: Timestamp::from_millis(order.created_at().as_millis()),
        history: order
            .history()
            .iter()
            .map(|change| StatusChange {
                status: change.status.as_str().to_owned(),
                at: Timestamp::from_millis(change.at.as_millis()),
            })
            .collect(),
        notifications: order
            .notifications()
            .iter()
            .map(|notification| Notification {
                event_type: notification.event_type.clone(),
                at: Timestamp::from_millis(notification.at.as_millis()),
            })
            .collect(),
    }
}
