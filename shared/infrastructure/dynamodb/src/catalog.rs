//! The products that are sold.

mod listing;
mod prices;

pub use listing::DynamoProductListing;
pub use prices::DynamoCatalog;
