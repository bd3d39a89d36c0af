//! Products are listed page by page.

use application::outcome::FailureClass;
use application::ports::PageLimit;
use application::products::list::ListProducts;
use domain::identity::ProductId;
use testkit::fault::{Fault, Operation};
use testkit::samples::{UNIT_PRICE, product};
use testkit::tables::MemoryTables;

fn tables() -> MemoryTables {
    let tables = MemoryTables::default();
    (1..=3).for_each(|number| tables.put_product(product(number, 1)));
    tables.put_product(product(4, 0));
    tables
}

#[tokio::test]
async fn each_product_is_on_one_page_and_its_stock_on_none() {
    let list = ListProducts { products: tables() };
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = list.execute(after, PageLimit::new(3).unwrap()).await.unwrap();
        listed.extend(page.products);
        let Some(cursor) = page.next_cursor else { break };
        after = ProductId::new(cursor.parse().unwrap()).ok();
    }
    listed.sort_by_key(|product| product.product_id);
    let ids: Vec<u64> = listed.iter().map(|product| product.product_id).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    for product in listed {
        assert_eq!(product.available, product.product_id != 4, "{}", product.name);
        assert_eq!((product.unit_price, product.currency.as_str()), (UNIT_PRICE, "EUR"));
    }
}

#[tokio::test(start_paused = true)]
async fn products_that_cannot_be_read_are_an_error_and_no_empty_page() {
    let list = ListProducts { products: tables() };
    list.products.script(Operation::Find, [Fault::Refused(FailureClass::Throttled)]);
    let failure = list.execute(None, PageLimit::MAX).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Throttled);
}
