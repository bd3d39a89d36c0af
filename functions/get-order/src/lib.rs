//! `GET /v1/orders/{order_id}`: shows a customer one of their orders.

pub mod config;

use application::get_order::GetOrder;
use application::ports::{AccessTokenVerifier, Clock, OrderReader};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use web::{Problem, Response, respond, route};

/// The handler with what it needs.
pub struct Handler<O, V, K> {
    /// The use case.
    pub get_order: GetOrder<O>,
    /// Verifies access tokens.
    pub tokens: V,
    /// The wall clock.
    pub clock: K,
}

impl<O: OrderReader, V: AccessTokenVerifier, K: Clock> Handler<O, V, K> {
    /// Answers a request; every problem is an answer too.
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&self.clock, request, async |_, request| self.show(&request).await).await
    }

    async fn show(&self, request: &Request) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &self.clock).await?;
        let order_id = route::order_id(request)?;
        match self.get_order.execute(bearer.user_id, order_id).await? {
            Some(order) => respond::json(StatusCode::OK, &order),
            None => Err(route::no_such_order()),
        }
    }
}
