//! What customers read: `GET /v1/orders`, `GET /v1/orders/{order_id}` and `GET /v1/products`.

pub mod config;
mod query;

use application::deadline::Deadline;
use application::orders::get::GetOrder;
use application::orders::list::{ListOrders, ListOrdersError};
use application::outcome::Failure;
use application::ports::creating::OrderKeys;
use application::ports::listing::{OrderListing, ProductListing};
use application::ports::{AccessTokenVerifier, Clock};
use application::products::list::ListProducts;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use web::{Problem, Response, respond, route};

use query::OrdersQuery;

/// The handler of the routes.
pub struct Handler<Orders, Products, Tokens, Time> {
    /// `GET /v1/orders/{order_id}`.
    pub get_order: GetOrder<Orders>,
    /// `GET /v1/orders`.
    pub list_orders: ListOrders<Orders>,
    /// `GET /v1/products`.
    pub list_products: ListProducts<Products>,
    /// Verifies access tokens.
    pub tokens: Tokens,
    /// The clock by which tokens expire.
    pub clock: Time,
}

impl<Orders, Products, Tokens, Time> Handler<Orders, Products, Tokens, Time>
where
    Orders: OrderKeys + OrderListing,
    Products: ProductListing,
    Tokens: AccessTokenVerifier,
    Time: Clock,
{
    /// Answers a request; a failure is answered with a problem.
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&self.clock, request, async |context, request| match context.route.as_str() {
            "GET /v1/products" => self.products(&request).await,
            "GET /v1/orders" => self.list(&request, context.deadline).await,
            _ => self.show(&request).await,
        })
        .await
    }

    async fn show(&self, request: &Request) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &self.clock).await?;
        let order_id = route::order_id(request)?;
        match self.get_order.execute(bearer.user_id, order_id).await? {
            Some(order) => respond::json(StatusCode::OK, &order),
            None => Err(route::no_such_order()),
        }
    }

    async fn list(&self, request: &Request, within: Deadline) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &self.clock).await?;
        let query = OrdersQuery::read(request)?;
        let page = self.list_orders.execute(bearer.user_id, query.as_query(), within).await;
        respond::json(StatusCode::OK, &page.map_err(not_listed)?)
    }

    /// Everyone may see what is sold: no token is needed.
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
