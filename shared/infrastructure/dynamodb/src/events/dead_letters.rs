//! Dead letters: events that were given up, until an operator redrives or discards them.

mod all;
mod moves;
mod reader;
mod removal;

pub use all::DynamoLetters;
pub use moves::DynamoDeadLetterMoves;
pub use reader::DynamoDeadLetterReader;
pub use removal::DynamoDeadLetterRemoval;
