//! What operators do, and whether the service works.

use std::time::Duration;

pub mod assess_health;
pub mod discard_dead_letter;
pub mod find_aggregates;
pub mod list_dead_letters;
pub mod list_pending;
pub mod listing;
pub mod redrive;
pub mod replay;
mod replay_sender;
pub mod replay_since;
pub mod republish;
pub mod rotate_signing_key;

/// How long a write may take that an operator waits for, with all its tries.
const WRITE: Duration = Duration::from_secs(10);

/// How long one publication may take that an operator waits for.
const PUBLICATION: Duration = Duration::from_secs(5);
