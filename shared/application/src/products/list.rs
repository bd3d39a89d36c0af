//! Lists the products that are sold.

use domain::identity::ProductId;
use domain::product::Product;

use crate::outcome::Failure;
use crate::ports::{Page, PageLimit, ProductListing};

pub struct ListProducts<Products> {
    pub products: Products,
}

impl<Products: ProductListing> ListProducts<Products> {
    /// A page: from the first product, or from the one after `after`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it can't be read.
    pub async fn execute(
        &self,
        after: Option<ProductId>,
        limit: PageLimit,
    ) -> Result<Page<Product, ProductId>, Failure> {
        self.products.page(after, limit).await
    }
}
