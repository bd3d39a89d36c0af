//! Products are listed page by page.

use application::outcome::FailureClass;
use application::ports::PageLimit;
use application::products::list::ListProducts;
use testkit::fault::{Fault, Operation};
use testkit::samples::product;
use testkit::tables::MemoryTables;

fn tables() -> MemoryTables {
    let tables = MemoryTables::default();
    (1..=3).for_each(|number| tables.put_product(product(number, 1)));
    tables.put_product(product(4, 0));
    tables
}

#[tokio::test]
async fn each_product_is_on_one_page() {
    let list = ListProducts { products: tables() };
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = list.execute(after, PageLimit::new(3).unwrap()).await.unwrap();
        listed.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    listed.sort_by_key(|product| product.id);
    assert_eq!(listed, [product(1, 1), product(2, 1), product(3, 1), product(4, 0)]);
}

#[tokio::test(start_paused = true)]
async fn products_that_cannot_be_read_are_an_error_and_no_empty_page() {
    let list = ListProducts { products: tables() };
    list.products.script(Operation::PageOfProducts, [Fault::Refused(FailureClass::Throttled)]);
    let failure = list.execute(None, PageLimit::MAX).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Throttled);
}
