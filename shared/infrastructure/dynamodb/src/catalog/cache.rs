//! Remembers prices for a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use application::outcome::Failure;
use application::ports::{Catalog, Clock};
use domain::identity::ProductId;
use domain::money::Money;
use domain::timestamp::Timestamp;

/// How long a price is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many prices are remembered: about a megabyte.
const REMEMBERED_MAX: usize = 10_000;

/// Remembers up to 10,000 prices for a minute. A product that was not found is read again each
/// time.
#[derive(Debug)]
pub struct CachedPrices<Prices, Time> {
    prices: Prices,
    clock: Time,
    remembered: Mutex<HashMap<ProductId, (Money, Timestamp)>>,
}

impl<Prices, Time> CachedPrices<Prices, Time> {
    /// Remembers the prices that `prices` returns.
    pub fn new(prices: Prices, clock: Time) -> Self {
        Self { prices, clock, remembered: Mutex::default() }
    }

    /// The remembered prices of products.
    fn recall(&self, products: &[ProductId], now: Timestamp) -> HashMap<ProductId, Money> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        products
            .iter()
            .filter_map(|id| remembered.get_key_value(id))
            .filter(|(_, (_, read_at))| read_at.is_younger_than(REMEMBERED, now))
            .map(|(id, (price, _))| (*id, *price))
            .collect()
    }

    fn remember(&self, prices: &HashMap<ProductId, Money>, now: Timestamp) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() + prices.len() > REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.extend(prices.iter().map(|(id, price)| (*id, (*price, now))));
    }
}

impl<Prices: Catalog, Time: Clock> Catalog for CachedPrices<Prices, Time> {
    async fn prices(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Money>, Failure> {
        let now = self.clock.now();
        let mut prices = self.recall(products, now);
        let unknown: Vec<_> =
            products.iter().copied().filter(|id| !prices.contains_key(id)).collect();
        if !unknown.is_empty() {
            let read = self.prices.prices(&unknown).await?;
            self.remember(&read, now);
            prices.extend(read);
        }
        Ok(prices)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A catalog of one product.
    #[derive(Default)]
    struct Counting(Mutex<Vec<Vec<ProductId>>>);

    impl Catalog for &Counting {
        async fn prices(
            &self,
            products: &[ProductId],
        ) -> Result<HashMap<ProductId, Money>, Failure> {
            self.0.lock().unwrap().push(products.to_vec());
            let price = Money::from_minor(2_500).unwrap();
            Ok(products.iter().filter(|id| **id == known()).map(|id| (*id, price)).collect())
        }
    }

    struct Hands(AtomicI64);

    impl Clock for &Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn known() -> ProductId {
        ProductId::new(1).unwrap()
    }

    #[tokio::test]
    async fn a_price_is_remembered_for_a_minute_and_not_by_a_clock_that_was_set_back() {
        let (table, clock) = (Counting::default(), Hands(AtomicI64::new(0)));
        let prices = CachedPrices::new(&table, &clock);
        for (at, reads) in [(1_000_000, 1), (1_059_999, 1), (1_060_000, 2), (999_999, 3)] {
            clock.0.store(at, Ordering::Relaxed);
            assert_eq!(prices.prices(&[known()]).await.unwrap().len(), 1);
            assert_eq!(table.0.lock().unwrap().len(), reads, "at {at}");
        }
    }

    #[tokio::test]
    async fn only_what_is_not_remembered_is_read_and_an_unknown_product_never_is() {
        let (table, clock) = (Counting::default(), Hands(AtomicI64::new(0)));
        let prices = CachedPrices::new(&table, &clock);
        let unknown = ProductId::new(2).unwrap();
        for _ in 0..2 {
            let found = prices.prices(&[known(), unknown]).await.unwrap();
            assert_eq!(Vec::from_iter(found.into_keys()), [known()]);
        }
        assert!(prices.prices(&[known()]).await.is_ok());
        assert_eq!(*table.0.lock().unwrap(), [vec![known(), unknown], vec![unknown]]);
    }
}
