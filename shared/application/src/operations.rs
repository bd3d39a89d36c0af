//! What operators do, and whether the service works.

pub mod assess_health;
pub mod discard_dead_letter;
pub mod find_aggregates;
pub mod list_dead_letters;
pub mod list_pending;
pub mod listing;
pub mod redrive;
pub mod replay;
pub mod replay_since;
pub mod republish;
mod resend;
pub mod rotate_signing_key;
