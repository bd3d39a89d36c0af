//! `GET /v1/orders/{order_id}`: shows a customer one of their orders.

pub mod config;

use application::get_order::GetOrder;
use application::ports::creating::OrderKeys;
use application::ports::{AccessTokenVerifier, Clock};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use web::{Problem, Response, respond, route};

/// The handler of the route.
pub struct Handler<Orders, Tokens, Time> {
    /// The use case.
    pub get_order: GetOrder<Orders>,
    /// Verifies access tokens.
    pub tokens: Tokens,
    /// The wall clock.
    pub clock: Time,
}

impl<Orders: OrderKeys, Tokens: AccessTokenVerifier, Time: Clock> Handler<Orders, Tokens, Time> {
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
