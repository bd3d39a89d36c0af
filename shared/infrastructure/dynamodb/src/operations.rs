//! Dead letters, for operators: list, read, redrive and discard.

mod dead_letter_reader;
mod dead_letter_removal;
mod letters;

pub use dead_letter_reader::DynamoDeadLetterReader;
pub use dead_letter_removal::DynamoDeadLetterRemoval;
pub use letters::DynamoLetters;
