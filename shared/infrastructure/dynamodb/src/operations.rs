//! What operators do with dead letters and outbox copies.

mod dead_letter_reader;
mod dead_letter_removal;
mod outbox_reader;

pub use dead_letter_reader::DynamoDeadLetterReader;
pub use dead_letter_removal::DynamoDeadLetterRemoval;
pub use outbox_reader::{DynamoOutboxReader, PendingPosition};
