//! `POST /v1/orders/{order_id}/cancel`: cancels an order for its user.

pub mod config;

use application::orders::cancel::{CancelOrder, CancelOrderCommand, CancelOrderError};
use dynamodb::config::CatalogTable;
use dynamodb::{CachedVerificationKeys, DynamoOrders, DynamoVerificationKeys};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use security::tokens::Ed25519TokenVerifier;
use web::problem::RETRY_AFTER_DEFAULT;
use web::{Problem, RequestContext, Response, respond, route};

pub struct Handler {
    pub cancel_order: CancelOrder<
        DynamoOrders<CatalogTable>,
        DynamoOrders<CatalogTable>,
        SystemClock,
        UuidIdentitySource,
    >,
    pub tokens: Ed25519TokenVerifier<CachedVerificationKeys<DynamoVerificationKeys, SystemClock>>,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |context, request| {
            self.cancel(context, &request).await
        })
        .await
    }

    /// A repeated cancel finds the order cancelled, so an `Idempotency-Key` changes nothing. If one
    /// is sent, it must still be valid.
    async fn cancel(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &SystemClock).await?;
        web::idempotency_key(request.headers())?;
        let command = CancelOrderCommand {
            user_id: bearer.user_id,
            order_id: route::order_id(request)?,
            traceparent: context.trace_context(),
        };
        let cancelled = self.cancel_order.execute(&command, context.deadline).await;
        match cancelled.map_err(problem)? {
            Some(order) => respond::json(StatusCode::OK, &web::order_body(&order)),
            None => Err(route::no_such_order()),
        }
    }
}

fn problem(error: CancelOrderError) -> Problem {
    match error {
        CancelOrderError::Refused(_) => {
            Problem::conflict("The order was rejected, so it cannot be cancelled.")
        }
        CancelOrderError::NotStored(failure) => failure.into(),
        CancelOrderError::Open(_) => Problem::unavailable(RETRY_AFTER_DEFAULT)
            .with_detail("It is not yet known whether the order was cancelled. Try again.")
            .caused_by(error),
    }
}
