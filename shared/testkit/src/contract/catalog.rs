//! `Catalog`.

use application::ports::Catalog;

use super::TableFixture;
use crate::samples::{product, product_id};

pub async fn unknown_products_are_left_out(fixture: &impl TableFixture) {
    fixture.put_products(&[product(1, 5), product(2, 0)]).await;
    let ids = [product_id(1), product_id(2), product_id(3), product_id(1)];
    let prices = fixture.catalog().prices(&ids).await.unwrap();
    assert_eq!(prices.len(), 2);
    assert_eq!(prices[&product_id(1)], product(1, 5).unit_price);
    assert_eq!(fixture.catalog().prices(&[]).await.unwrap().len(), 0);
}

pub async fn an_unknown_product_is_not_cached(fixture: &impl TableFixture) {
    let catalog = fixture.catalog();
    assert_eq!(catalog.prices(&[product_id(1)]).await.unwrap().len(), 0);
    fixture.put_products(&[product(1, 5)]).await;
    assert_eq!(catalog.prices(&[product_id(1)]).await.unwrap().len(), 1);
}

/// The list exceeds the limit of one call to the table.
pub async fn every_product_of_a_long_list_is_looked_up(fixture: &impl TableFixture) {
    let products: Vec<_> = (1..=120).map(|number| product(number, 1)).collect();
    fixture.put_products(&products).await;
    let ids: Vec<_> = products.iter().map(|product| product.id).collect();
    assert_eq!(fixture.catalog().prices(&ids).await.unwrap().len(), 120);
}
