use serde::Deserialize;

/// A count of open units: `USER#<user_id>` / `OPEN#<period>`. It is written by updates alone.
///
/// It has `tombstone_until`, by which the table deletes it once its period is over.
#[derive(Debug, Deserialize)]
pub(crate) struct OpenUnitsRecord {
    units: u32,
}

impl OpenUnitsRecord {
    /// How many units the account has reserved in the period and not given back.
    pub(crate) const fn units(&self) -> u32 {
        self.units
    }
}
