//! Operators change the catalog while orders reserve stock, over both emulators.

use std::collections::BTreeMap;

use application::outcome::WriteTry;
use application::ports::stock::{Reservations, Taking};
use domain::identity::ProductId;
use domain::money::Money;
use domain::product::Product;
use dynamodb::administration::{
    AddedStock, add_stock, list_products, put_product_keeping_stock, put_products, set_price,
};
use futures::future::join_all;
use testkit::contract::TableFixture;

use crate::dynamodb_tables::Tables;
use crate::order_items::soon;

/// So often stock is added and reserved at the same time.
const ROUNDS: u32 = 12;

fn product(id: u64, unit_price: u64, stock: u32) -> Product {
    let unit_price = Money::from_minor(unit_price).unwrap();
    Product {
        id: ProductId::new(id).unwrap(),
        name: format!("name {unit_price:?}"),
        unit_price,
        stock,
    }
}

async fn all(tables: &Tables) -> Vec<Product> {
    let mut products = list_products(&tables.client, &tables.catalog).await.unwrap();
    products.sort_by_key(|product| product.id);
    products
}

async fn an_import_keeps_the_stock_of_existing_products(tables: Tables) {
    let (client, catalog) = (&tables.client, &tables.catalog);
    assert!(put_product_keeping_stock(client, catalog, &product(1, 500, 100)).await.unwrap());
    let stock = BTreeMap::from([(ProductId::new(1).unwrap(), 95)]);
    let quantities = Taking { stock, ..Taking::default() };
    let reserved = tables.aggregates().reserve(&[], &quantities, soon()).await;
    assert!(matches!(reserved, WriteTry::Done), "{reserved:?}");

    assert!(!put_product_keeping_stock(client, catalog, &product(1, 600, 100)).await.unwrap());
    assert!(put_product_keeping_stock(client, catalog, &product(2, 700, 7)).await.unwrap());
    assert_eq!(all(&tables).await, [product(1, 600, 5), product(2, 700, 7)]);
    put_products(client, catalog, &[product(1, 600, 100)]).await.unwrap();
    assert_eq!(all(&tables).await, [product(1, 600, 100), product(2, 700, 7)]);
}

async fn a_price_changes_alone(tables: Tables) {
    let (client, catalog) = (&tables.client, &tables.catalog);
    put_products(client, catalog, &[product(1, 500, 3)]).await.unwrap();
    let price = Money::from_minor(900).unwrap();
    assert!(set_price(client, catalog, ProductId::new(1).unwrap(), price).await.unwrap());
    assert!(!set_price(client, catalog, ProductId::new(2).unwrap(), price).await.unwrap());
    let repriced = Product { unit_price: price, ..product(1, 500, 3) };
    assert_eq!(all(&tables).await, [repriced]);
}

async fn stock_that_is_added_and_reserved_at_once_adds_up(tables: Tables) {
    let (client, catalog) = (&tables.client, &tables.catalog);
    put_products(client, catalog, &[product(1, 500, 100), product(2, 500, u32::MAX)])
        .await
        .unwrap();
    let id = |id| ProductId::new(id).unwrap();
    let aggregates = tables.aggregates();
    let stock = BTreeMap::from([(id(1), 1)]);
    let quantities = Taking { stock, ..Taking::default() };
    let reservations = (0..ROUNDS).map(|_| async {
        let tried = aggregates.reserve(&[], &quantities, soon()).await;
        u32::from(matches!(tried, WriteTry::Done))
    });
    let adds = (0..ROUNDS).map(|_| async {
        match add_stock(client, catalog, id(1), 3).await {
            Ok(AddedStock::Added(_)) => 3,
            // Each try conflicted with a transaction.
            Err(_) => 0,
            other => panic!("{other:?}"),
        }
    });
    let (reserved, added) = futures::join!(join_all(reservations), join_all(adds));
    let added: u32 = added.into_iter().sum();
    assert!(added > 0);
    let left = 100 + added - reserved.into_iter().sum::<u32>();
    assert_eq!(all(&tables).await[0].stock, left);

    let nothing = add_stock(client, catalog, id(99), 1).await.unwrap();
    assert!(matches!(nothing, AddedStock::NoProduct), "{nothing:?}");
    let too_many = add_stock(client, catalog, id(2), 1).await.unwrap();
    assert!(matches!(too_many, AddedStock::TooMany(u32::MAX)), "{too_many:?}");
}

on_both!(
    an_import_keeps_the_stock_of_existing_products,
    a_price_changes_alone,
    stock_that_is_added_and_reserved_at_once_adds_up
);
