//! Products in a file, as `cargo xtask ops products import` reads them.

use anyhow::Context;
use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    product_id: u64,
    name: String,
    unit_price: u64,
    stock: u32,
}

/// Reads a JSON array of `{"product_id", "name", "unit_price", "stock"}`; prices are in minor
/// units.
///
/// # Errors
/// When the text is not such an array, or has a product twice or an amount out of range (the error
/// names the product).
pub fn parse(json: &str) -> anyhow::Result<Vec<Product>> {
    let entries: Vec<Entry> = serde_json::from_str(json).context(
        "expected a JSON array of {\"product_id\", \"name\", \"unit_price\", \"stock\"}",
    )?;
    let mut seen = std::collections::BTreeSet::new();
    entries
        .into_iter()
        .map(|entry| {
            let id = entry.product_id;
            anyhow::ensure!(seen.insert(id), "product {id} occurs twice");
            let unit_price = Money::from_minor(entry.unit_price)
                .with_context(|| format!("the price of product {id} is out of range"))?;
            Ok(Product {
                id: ProductId::new(id)?,
                name: entry.name,
                unit_price,
                stock: entry.stock,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_that_occurs_twice_is_named() {
        let entry = r#"{"product_id": 7, "name": "cup", "unit_price": 1, "stock": 2}"#;
        assert_eq!(parse(&format!("[{entry}]")).unwrap().len(), 1);
        let error = parse(&format!("[{entry}, {entry}]")).unwrap_err();
        assert_eq!(error.to_string(), "product 7 occurs twice");
        assert!(parse("{}").unwrap_err().to_string().contains("JSON array"));
    }
}
