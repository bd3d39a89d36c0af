//! `Catalog`.

use application::ports::Catalog;

use super::TableFixture;
use crate::samples::{product, product_id};

/// As its name says.
pub async fn unknown_products_are_left_out(fixture: &impl TableFixture) {
    fixture.put_products(&[product(1, 5), product(2, 0)]).await;
    let asked = [product_id(1), product_id(2), product_id(3), product_id(1)];
    let prices = fixture.catalog().prices(&asked).await.unwrap();
    assert_eq!(prices.len(), 2);
    assert_eq!(prices[&product_id(1)], product(1, 5).unit_price);
    assert_eq!(fixture.catalog().prices(&[]).await.unwrap().len(), 0);
}

/// As its name says.
pub async fn it_is_not_remembered_that_a_product_is_unknown(fixture: &impl TableFixture) {
    let catalog = fixture.catalog();
    assert_eq!(catalog.prices(&[product_id(1)]).await.unwrap().len(), 0);
    fixture.put_products(&[product(1, 5)]).await;
    assert_eq!(catalog.prices(&[product_id(1)]).await.unwrap().len(), 1);
}

/// As its name says: more than one call can ask for.
pub async fn every_product_of_a_long_list_is_looked_up(fixture: &impl TableFixture) {
    let products: Vec<_> = (1..=120).map(|number| product(number, 1)).collect();
    fixture.put_products(&products).await;
    let asked: Vec<_> = products.iter().map(|product| product.id).collect();
    assert_eq!(fixture.catalog().prices(&asked).await.unwrap().len(), 120);
}
