use domain::identity::{OrderId, UserId};
use domain::order::Notification;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::consume_events::attempt::{EffectOutcome, inbox_record, store, store_nothing};
use crate::consume_events::{EventHandler, HandlerError, IncomingEvent};
use crate::ports::{Inbox, Notifications};

/// Tells the customer of each event, once; the order shows what was told.
pub struct NotificationHandler<N, I> {
    /// What customers were told.
    pub notifications: N,
    /// For events of orders that are not there.
    pub inbox: I,
}

impl<N: Notifications, I: Inbox> EventHandler for NotificationHandler<N, I> {
    fn name(&self) -> &'static str {
        "notification"
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async move {
            // Of what happens to his account a user is told by its activity.
            let Some(told) = incoming.event.data.order() else { return Ok(()) };
            let record = inbox_record(self.name(), incoming);
            let user_id = UserId::new(told.user_id)
                .map_err(|error| HandlerError::Hopeless(error.to_string()))?;
            let order_id = OrderId::new(told.order_id);
            let notification = Notification {
                event_type: incoming.event.data.event_type().as_str().to_owned(),
                aggregate_version: told.aggregate_version,
                at: incoming.received_at,
            };
            let outcome = store(incoming, |within| {
                self.notifications.notify(&record, user_id, order_id, &notification, within)
            })
            .await?;
            if outcome == EffectOutcome::SubjectRefused {
                store_nothing(&self.inbox, &record, incoming).await?;
            }
            Ok(())
        }
        .boxed()
    }
}
