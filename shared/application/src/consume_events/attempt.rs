//! Tries an effect until it is stored, is found to be stored, or its time is over.

use std::time::Duration;

use super::HandlerError;
use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::WriteTry;
use crate::ports::{EffectCancelled, Inbox, InboxRecord};
use crate::retry::until_settled;

use super::IncomingEvent;

/// What became of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EffectOutcome {
    /// It is stored.
    Stored,
    /// It was stored before.
    AlreadyHandled,
    /// What it is conditional on isn't so.
    SubjectRefused,
    /// There is not enough stock.
    StockShort,
}

/// The inbox record of a handler for an event.
pub(super) fn inbox_record(handler: &'static str, incoming: &IncomingEvent) -> InboxRecord {
    InboxRecord {
        handler,
        event_id: incoming.event_id,
        at: incoming.received_at,
        expires_at: incoming.received_at.plus(lifetimes::INBOX),
    }
}

/// Tries an effect again while items are busy, the table is away, or a try's fate is unknown. The
/// latter is safe because of the inbox record: a try that landed unnoticed is found. It counts as
/// stored, as most likely it was this one; what follows must be conditional on what was stored all
/// the same.
pub(super) async fn store<F>(
    incoming: &IncomingEvent,
    effect: impl Fn(Deadline) -> F,
) -> Result<EffectOutcome, HandlerError>
where
    F: Future<Output = WriteTry<EffectCancelled>>,
{
    let seed = seed(incoming.event_id.as_uuid());
    let pause = Backoff::new(Duration::from_millis(5), Duration::from_millis(500), seed);
    let settled = until_settled(incoming.deadline, pause, effect, |written, in_doubt| {
        let outcome = written.map_or_else(judge, |()| Some(EffectOutcome::Stored));
        match outcome {
            Some(EffectOutcome::AlreadyHandled) if in_doubt => Some(EffectOutcome::Stored),
            outcome => outcome,
        }
    });
    settled.await.map_err(|unsettled| HandlerError::Failed(unsettled.failure))
}

/// What a cancelled transaction tells, in the order in which it may be asked. A busy item hides
/// what its condition would have said, so it comes before the stock.
const fn judge(cancelled: EffectCancelled) -> Option<EffectOutcome> {
    match cancelled {
        EffectCancelled { handled: true, .. } => Some(EffectOutcome::AlreadyHandled),
        EffectCancelled { subject_refused: true, .. } => Some(EffectOutcome::SubjectRefused),
        EffectCancelled { busy: true, .. } => None,
        EffectCancelled { stock_short: true, .. } => Some(EffectOutcome::StockShort),
        EffectCancelled { .. } => None,
    }
}

/// The inbox record alone, where there is nothing to do.
pub(super) async fn store_nothing<I: Inbox>(
    inbox: &I,
    record: &InboxRecord,
    incoming: &IncomingEvent,
) -> Result<(), HandlerError> {
    store(incoming, |within| inbox.record(record, within)).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: EffectCancelled =
        EffectCancelled { handled: false, subject_refused: false, stock_short: false, busy: false };

    #[test]
    fn a_record_that_is_there_settles_everything() {
        let all =
            EffectCancelled { handled: true, subject_refused: true, stock_short: true, busy: true };
        assert_eq!(judge(all), Some(EffectOutcome::AlreadyHandled));
    }

    #[test]
    fn a_busy_item_leaves_the_stock_unjudged() {
        assert_eq!(judge(EffectCancelled { stock_short: true, busy: true, ..NONE }), None);
        assert_eq!(
            judge(EffectCancelled { stock_short: true, ..NONE }),
            Some(EffectOutcome::StockShort)
        );
        assert_eq!(
            judge(EffectCancelled { subject_refused: true, busy: true, ..NONE }),
            Some(EffectOutcome::SubjectRefused)
        );
    }
}
