//! What users read: `GET /v1/orders`, `GET /v1/orders/{order_id}` and `GET /v1/products`.

pub mod config;
mod query;

use application::deadline::Deadline;
use application::orders::get::GetOrder;
use application::orders::list::{ListOrders, ListOrdersError};
use application::outcome::Failure;
use application::products::list::ListProducts;
use contracts::order::OrderPage;
use contracts::product::{self, ProductPage};
use domain::money::Currency;
use domain::product::Product;
use dynamodb::{CachedVerificationKeys, DynamoCatalog, DynamoOrders, DynamoVerificationKeys};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use platform::clock::SystemClock;
use security::tokens::Ed25519TokenVerifier;
use web::{Problem, Response, respond, route};

use query::OrdersQuery;

pub struct Handler {
    /// `GET /v1/orders/{order_id}`.
    pub get_order: GetOrder<DynamoOrders>,
    /// `GET /v1/orders`.
    pub list_orders: ListOrders<DynamoOrders>,
    /// `GET /v1/products`.
    pub list_products: ListProducts<DynamoCatalog>,
    pub tokens: Ed25519TokenVerifier<CachedVerificationKeys<DynamoVerificationKeys, SystemClock>>,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |context, request| match context.route.as_str() {
            "GET /v1/products" => self.products(&request).await,
            "GET /v1/orders" => self.list(&request, context.deadline).await,
            _ => self.show(&request).await,
        })
        .await
    }

    async fn show(&self, request: &Request) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &SystemClock).await?;
        let order_id = route::order_id(request)?;
        match self.get_order.execute(bearer.user_id, order_id).await? {
            Some(order) => respond::json(StatusCode::OK, &web::order_body(&order)),
            None => Err(route::no_such_order()),
        }
    }

    async fn list(&self, request: &Request, within: Deadline) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &SystemClock).await?;
        let query = OrdersQuery::read(request)?;
        let page = self.list_orders.execute(bearer.user_id, query.as_query(), within).await;
        let page = page.map_err(not_listed)?;
        let orders = page.orders.iter().map(web::order_body).collect();
        respond::json(StatusCode::OK, &OrderPage { orders, next_cursor: page.next_cursor })
    }

    /// Anyone may see the products: no token is needed.
    async fn products(&self, request: &Request) -> Result<Response, Problem> {
        let (after, limit) = (query::product_cursor(request)?, query::limit(request)?);
        let page = self.list_products.execute(after, limit).await?;
        let page = ProductPage {
            products: page.items.iter().map(product_body).collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        };
        respond::json(StatusCode::OK, &page)
    }
}

/// The stock is not public; whether a product is sold out is.
fn product_body(product: &Product) -> product::Product {
    product::Product {
        product_id: product.id.get(),
        name: product.name.clone(),
        unit_price: product.unit_price.minor(),
        currency: Currency::Eur.code().to_owned(),
        available: product.stock > 0,
    }
}

fn not_listed(error: ListOrdersError) -> Problem {
    match error {
        ListOrdersError::InvalidCursor => query::invalid_orders_cursor(),
        ListOrdersError::Unavailable(Failure { class, .. }) => Problem::failed(class, error),
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::ProductId;
    use domain::money::Money;

    use super::*;

    #[test]
    fn a_product_shows_whether_it_is_sold_out_and_not_its_stock() {
        let body = |stock| {
            let id = ProductId::new(7).unwrap();
            let unit_price = Money::from_minor(250).unwrap();
            product_body(&Product { id, name: "cup".to_owned(), unit_price, stock })
        };
        let available = product::Product {
            product_id: 7,
            name: "cup".to_owned(),
            unit_price: 250,
            currency: "EUR".to_owned(),
            available: true,
        };
        assert_eq!(body(1), available);
        assert_eq!(body(0), product::Product { available: false, ..available });
    }
}
