//! What users read: `GET /v1/orders`, `GET /v1/orders/{order_id}` and `GET /v1/products`.

pub mod config;
mod query;

use application::deadline::Deadline;
use application::orders::get::GetOrder;
use application::orders::list::{ListOrders, ListOrdersError};
use application::outcome::Failure;
use application::products::list::ListProducts;
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
            Some(order) => respond::json(StatusCode::OK, &order),
            None => Err(route::no_such_order()),
        }
    }

    async fn list(&self, request: &Request, within: Deadline) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &SystemClock).await?;
        let query = OrdersQuery::read(request)?;
        let page = self.list_orders.execute(bearer.user_id, query.as_query(), within).await;
        respond::json(StatusCode::OK, &page.map_err(not_listed)?)
    }

    /// Anyone may see the products: no token is needed.
    async fn products(&self, request: &Request) -> Result<Response, Problem> {
        let (after, limit) = (query::product_cursor(request)?, query::limit(request)?);
        respond::json(StatusCode::OK, &self.list_products.execute(after, limit).await?)
    }
}

fn not_listed(error: ListOrdersError) -> Problem {
    match error {
        ListOrdersError::InvalidCursor => query::invalid_orders_cursor(),
        ListOrdersError::Unavailable(Failure { class, .. }) => Problem::failed(class, error),
    }
}
