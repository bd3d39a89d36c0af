//! Which events may be put on their topic once more.
//!
//! A handler that has done its part recognises an event by its inbox record, and inbox records
//! expire. What is older than they can be trusted for might be handled twice, so it is refused.

use std::time::Duration;

use contracts::event::{DecodeError, Event};
use domain::timestamp::Timestamp;

use crate::lifetimes;

/// Why an event is not put on its topic once more.
#[derive(Debug, thiserror::Error)]
pub enum RedeliveryRefused {
    /// Consumers couldn't decode it either: it would only come back.
    #[error("it can't be decoded, so it would only come back")]
    Undecodable(#[source] DecodeError),
    /// The dead letter holds the beginning of the body alone, and there is no outbox copy.
    #[error("only {kept} of its {whole} bytes are kept, and there is no outbox copy of it")]
    CutOff {
        /// How many bytes are kept.
        kept: usize,
        /// How many there were.
        whole: usize,
    },
    /// A handler that has done its part may have forgotten it.
    #[error(
        "it is {} days old, and handlers recognise what they have handled for no more than {} days: \
         an effect could happen twice",
        age.as_secs() / SECONDS_PER_DAY,
        lifetimes::REDELIVERY.as_secs() / SECONDS_PER_DAY
    )]
    TooOld {
        /// How old it is.
        age: Duration,
    },
}

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Decodes an event that is to be delivered once more at `now`, and that was delivered for the
/// first time at `delivered_at` or before, as far as that is known.
pub(crate) fn accept(
    body: &[u8],
    delivered_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Event, RedeliveryRefused> {
    let event = Event::decode(body).map_err(RedeliveryRefused::Undecodable)?;
    let told = Timestamp::from_millis(event.time.as_millis());
    // Whose clock was ahead raises events that seem younger than their own deliveries.
    let age = now.since(delivered_at.map_or(told, |delivered_at| told.min(delivered_at)));
    if age > lifetimes::REDELIVERY {
        return Err(RedeliveryRefused::TooOld { age });
    }
    Ok(event)
}
