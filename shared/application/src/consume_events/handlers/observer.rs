use futures::FutureExt;
use futures::future::BoxFuture;

use crate::consume_events::attempt::{EffectOutcome, inbox_record, store, store_nothing};
use crate::consume_events::{EventHandler, HandlerError, IncomingEvent};
use crate::lifetimes;
use crate::ports::{Inbox, OBSERVER, Observations};

/// Closes the loop: once an event was seen on its topic, the sweep need not look after it. It is
/// asked first for each event.
pub struct ObserverHandler<O, I> {
    /// Takes events out of what the sweep looks at.
    pub observations: O,
    /// For events that the outbox doesn't hold.
    pub inbox: I,
}

impl<O: Observations, I: Inbox> EventHandler for ObserverHandler<O, I> {
    fn name(&self) -> &'static str {
        OBSERVER
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async move {
            let record = inbox_record(self.name(), incoming);
            let keep_until = incoming.received_at.plus(lifetimes::OBSERVED_EVENT);
            let outcome =
                store(incoming, |within| self.observations.observe(&record, keep_until, within))
                    .await?;
            if outcome == EffectOutcome::SubjectRefused {
                // Another deployment's event, or one whose copy has expired.
                store_nothing(&self.inbox, &record, incoming).await?;
            }
            Ok(())
        }
        .boxed()
    }
}
