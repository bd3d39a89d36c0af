use domain::identity::ProductId;
use domain::money::Money;
use domain::order::{PricedLine, Quantity};
use serde::{Deserialize, Serialize};

use crate::item::CorruptRecord;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LineRecord {
    product_id: u64,
    quantity: u16,
    unit_price: u64,
}

impl From<&PricedLine> for LineRecord {
    fn from(line: &PricedLine) -> Self {
        Self {
            product_id: line.product_id.get(),
            quantity: line.quantity.get(),
            unit_price: line.unit_price.minor(),
        }
    }
}

impl TryFrom<&LineRecord> for PricedLine {
    type Error = CorruptRecord;

    fn try_from(line: &LineRecord) -> Result<Self, CorruptRecord> {
        Ok(Self {
            product_id: ProductId::new(line.product_id).map_err(CorruptRecord::because)?,
            quantity: Quantity::new(line.quantity.into())
                .ok_or_else(|| CorruptRecord::because("a quantity is out of range"))?,
            unit_price: Money::from_minor(line.unit_price)
                .ok_or_else(|| CorruptRecord::because("a price is out of range"))?,
        })
    }
}
