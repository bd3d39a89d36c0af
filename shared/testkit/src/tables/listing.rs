//! Orders and products as clients list them.

use std::cmp::Reverse;

use application::outcome::Failure;
use application::ports::{OrderListing, OrderPosition, Page, PageLimit, ProductListing};
use domain::identity::{ProductId, UserId};
use domain::order::StoredOrder;
use domain::product::Product;

use super::MemoryTables;
use super::aggregates::Item;
use crate::fault::Operation;

impl OrderListing for MemoryTables {
    async fn page(
        &self,
        user_id: UserId,
        after: Option<OrderPosition>,
        limit: PageLimit,
    ) -> Result<Page<StoredOrder, OrderPosition>, Failure> {
        self.read(Operation::PageOfOrders, |rows| {
            let place = |position: OrderPosition| (position.created_at, position.order_id);
            let mut orders: Vec<&StoredOrder> = rows
                .items
                .iter()
                .filter(|((owner, _), _)| *owner == user_id)
                .filter_map(|(_, item)| match item {
                    Item::Order { stored, .. } => Some(stored.as_ref()),
                    Item::Tombstone { .. } => None,
                })
                .filter(|stored| {
                    after.is_none_or(|after| place(OrderPosition::of(stored)) < place(after))
                })
                .collect();
            orders.sort_by_key(|stored| Reverse(place(OrderPosition::of(stored))));
            page(&orders, limit, OrderPosition::of)
        })
        .await
    }
}

impl ProductListing for MemoryTables {
    async fn page(
        &self,
        after: Option<ProductId>,
        limit: PageLimit,
    ) -> Result<Page<Product, ProductId>, Failure> {
        self.read(Operation::PageOfProducts, |rows| {
            let products = rows.products.values();
            let rest: Vec<_> =
                products.filter(|product| after.is_none_or(|after| product.id > after)).collect();
            page(&rest, limit, |product| product.id)
        })
        .await
    }
}

/// The first of the remaining entries. As in DynamoDB, a full page may be followed by an empty one.
fn page<Listed: Clone, Position>(
    rest: &[&Listed],
    limit: PageLimit,
    position: impl Fn(&Listed) -> Position,
) -> Page<Listed, Position> {
    let items: Vec<Listed> =
        rest.iter().take(usize::from(limit.get())).map(|listed| (*listed).clone()).collect();
    let is_full = items.len() == usize::from(limit.get());
    let next = items.last().filter(|_| is_full).map(position);
    Page { items, unreadable: 0, next }
}
