//! Orders as their users create, read, list and cancel them.

pub mod cancel;
pub mod create;
pub mod get;
pub mod identity;
pub mod list;

use domain::order::{AtKey, StoredOrder};

use crate::outcome::{Failure, FailureClass};

/// The order at a key, if there is one. A tombstone is not an order.
///
/// # Errors
///
/// [`Failure`] of class `Permanent` if newer code stored it in a version that this code can't read.
pub(crate) fn stored(at_key: AtKey) -> Result<Option<Box<StoredOrder>>, Failure> {
    match at_key {
        AtKey::Created { stored: Some(stored), .. } => Ok(Some(stored)),
        AtKey::Created { stored: None, .. } => {
            Err(Failure::new(FailureClass::Permanent, "the stored order can't be read"))
        }
        AtKey::Absent | AtKey::Tombstone(_) => Ok(None),
    }
}
