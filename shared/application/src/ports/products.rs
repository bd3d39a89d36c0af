//! The products that are sold.

use std::collections::HashMap;
use std::future::Future;

use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;

use super::{Page, PageLimit};
use crate::outcome::Failure;

/// The prices of the products that are sold.
pub trait Catalog: Send + Sync {
    /// The prices of `products`. It MUST leave out unknown products, and MAY return prices that are
    /// up to a minute old; it MUST NOT remember that a product is unknown.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every product could be looked up.
    fn prices(
        &self,
        products: &[ProductId],
    ) -> impl Future<Output = Result<HashMap<ProductId, Money>, Failure>> + Send;
}

/// The products that are sold.
pub trait ProductListing: Send + Sync {
    /// At most `limit` products, in an order of the adapter's own that stays the same: from the
    /// first, or from the one after `after`, which need not exist any more. The pages together MUST
    /// name each product once that exists the whole time. Prices and stock MAY be a few seconds
    /// old.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the page can't be read.
    fn page(
        &self,
        after: Option<ProductId>,
        limit: PageLimit,
    ) -> impl Future<Output = Result<Page<Product, ProductId>, Failure>> + Send;
}
