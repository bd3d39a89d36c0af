use std::collections::HashMap;
use std::future::Future;

use domain::identity::ProductId;
use domain::money::Money;

use crate::outcome::Failure;

/// What is sold at which price.
pub trait Catalog: Send + Sync {
    /// The prices of those of the products that are sold. It MUST leave out the unknown ones, and
    /// MAY tell prices up to a minute old; it MUST NOT remember that a product is unknown.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every product could be looked up.
    fn prices(
        &self,
        products: &[ProductId],
    ) -> impl Future<Output = Result<HashMap<ProductId, Money>, Failure>> + Send;
}
