use std::collections::HashMap;
use std::future::Future;

use domain::identity::ProductId;
use domain::money::Money;

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
