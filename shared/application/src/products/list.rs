//! Lists the products that are sold.

use domain::identity::ProductId;
use domain::money::Currency;
use domain::product::Product;

use crate::outcome::Failure;
use crate::ports::{PageLimit, ProductListing};

pub struct ListProducts<Products> {
    pub products: Products,
}

impl<Products: ProductListing> ListProducts<Products> {
    /// A page: from the first product, or from the one after `after`. The last page has no cursor.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it can't be read.
    pub async fn execute(
        &self,
        after: Option<ProductId>,
        limit: PageLimit,
    ) -> Result<contracts::product::ProductPage, Failure> {
        let page = self.products.page(after, limit).await?;
        Ok(contracts::product::ProductPage {
            products: page.items.iter().map(product_body).collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        })
    }
}

/// The stock is not public; whether a product is sold out is.
fn product_body(product: &Product) -> contracts::product::Product {
    contracts::product::Product {
        product_id: product.id.get(),
        name: product.name.clone(),
        unit_price: product.unit_price.minor(),
        currency: Currency::Eur.code().to_owned(),
        available: product.stock > 0,
    }
}
