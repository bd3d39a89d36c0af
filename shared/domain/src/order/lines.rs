//! The lines of an order.

use crate::identity::ProductId;
use crate::money::Money;

/// The most lines of one order: the reservation of all of them must fit into one `DynamoDB`
/// transaction of 100 items.
pub const LINES_MAX: usize = 50;

/// How many of one product: 1 to 999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u16);

impl Quantity {
    pub const MAX: u16 = 999;

    /// A quantity of 1 to 999, or `None`.
    pub fn new(value: u64) -> Option<Self> {
        u16::try_from(value).ok().filter(|v| (1..=Self::MAX).contains(v)).map(Self)
    }

    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A requested line. Its quantity is checked only after lines of one product are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderLine {
    pub product_id: ProductId,
    /// How many items, not checked yet.
    pub quantity: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLines {
    #[error("an order needs at least one line")]
    Empty,
    /// There are more lines than [`LINES_MAX`].
    #[error("an order has at most {LINES_MAX} lines, this one has {count}")]
    TooMany { count: usize },
    /// Lines have the quantity 0, or those of one product together more than [`Quantity::MAX`].
    #[error("the quantity of one product must be from 1 to {}", Quantity::MAX)]
    Quantities {
        /// The positions of the lines, counted from 0, in ascending order.
        lines: Vec<usize>,
    },
}

/// The lines of an order: 1 to [`LINES_MAX`], one per product, sorted by product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLines(Vec<(ProductId, Quantity)>);

impl OrderLines {
    /// Merges the lines of one product and sorts them, so that two requests for the same things are
    /// equal.
    ///
    /// # Errors
    ///
    /// [`InvalidLines`], which names every faulty line.
    pub fn merge(lines: &[OrderLine]) -> Result<Self, InvalidLines> {
        if lines.is_empty() {
            return Err(InvalidLines::Empty);
        }
        if lines.len() > LINES_MAX {
            return Err(InvalidLines::TooMany { count: lines.len() });
        }
        let mut sums = std::collections::BTreeMap::<ProductId, u64>::new();
        for line in lines {
            let sum = sums.entry(line.product_id).or_default();
            *sum = sum.saturating_add(line.quantity);
        }
        let merged: Vec<_> =
            sums.iter().filter_map(|(id, sum)| Some((*id, Quantity::new(*sum)?))).collect();
        let faulty: Vec<usize> = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| {
                line.quantity == 0
                    || sums.get(&line.product_id).is_none_or(|sum| Quantity::new(*sum).is_none())
            })
            .map(|(position, _)| position)
            .collect();
        if faulty.is_empty() {
            Ok(Self(merged))
        } else {
            Err(InvalidLines::Quantities { lines: faulty })
        }
    }

    /// Product and quantity of each line, sorted by product.
    pub fn iter(&self) -> impl Iterator<Item = (ProductId, Quantity)> + '_ {
        self.0.iter().copied()
    }

    /// The lines with their prices, and the products without a price.
    pub(super) fn priced(
        &self,
        price_of: impl Fn(ProductId) -> Option<Money>,
    ) -> (Vec<PricedLine>, Vec<ProductId>) {
        let mut priced = Vec::with_capacity(self.0.len());
        let mut unknown = Vec::new();
        for (product_id, quantity) in self.iter() {
            match price_of(product_id) {
                Some(unit_price) => priced.push(PricedLine { product_id, quantity, unit_price }),
                None => unknown.push(product_id),
            }
        }
        (priced, unknown)
    }
}

/// A line with the price at which the order was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedLine {
    pub product_id: ProductId,
    pub quantity: Quantity,
    /// The price of one item when the order was created.
    pub unit_price: Money,
}
