//! `POST /v1/orders`: creates an order.

// The RocketMQ client's futures nest about as deep as the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod config;
mod problem;

use application::orders::create::{CreateOrder, CreateOrderCommand, OrderReply};
use contracts::order::CreateOrder as Body;
use domain::identity::{ProductId, UserId};
use domain::order::{OrderLine, OrderLines};
use dynamodb::{
    CachedPrices, CachedVerificationKeys, DynamoCatalog, DynamoOrders, DynamoVerificationKeys,
};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use rocketmq::publisher::RocketmqPublisher;
use security::tokens::Ed25519TokenVerifier;
use web::idempotency::IDEMPOTENCY_REPLAYED;
use web::{Pointer, Problem, RequestContext, Response, respond};

pub struct Handler {
    pub create_order: CreateOrder<
        DynamoOrders,
        CachedPrices<DynamoCatalog, SystemClock>,
        RocketmqPublisher,
        SystemClock,
        UuidIdentitySource,
    >,
    pub tokens: Ed25519TokenVerifier<CachedVerificationKeys<DynamoVerificationKeys, SystemClock>>,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |context, request| {
            self.create(context, &request).await
        })
        .await
    }

    async fn create(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let bearer = web::authenticate(request.headers(), &self.tokens, &SystemClock).await?;
        let key = web::idempotency_key(request.headers())?;
        let body: Body = web::read_json(request)?;
        let command = CreateOrderCommand {
            user_id: checked_user(bearer.user_id, body.user_id)?,
            lines: lines(&body)?,
            key,
            traceparent: context.trace_context(),
        };
        let reply = self
            .create_order
            .execute(&command, context.deadline)
            .await
            .map_err(|error| problem::from_error(error, &body))?;
        created(&reply)
    }
}

/// The token's user. The body may repeat this user but not name another one.
fn checked_user(token_user: UserId, body_user: Option<u64>) -> Result<UserId, Problem> {
    match body_user {
        Some(body_user) if body_user != token_user.get() => Err(Problem::forbidden(
            "The body's user_id is not the token's user. Leave it out, or log in as that user.",
        )),
        _ => Ok(token_user),
    }
}

fn lines(body: &Body) -> Result<OrderLines, Problem> {
    let mut lines = Vec::with_capacity(body.items.len());
    let mut problem: Option<Problem> = None;
    for (position, item) in body.items.iter().enumerate() {
        match ProductId::new(item.product_id) {
            Ok(product_id) => lines.push(OrderLine { product_id, quantity: item.quantity }),
            Err(error) => {
                let pointer = Pointer::root().member("items").element(position);
                problem = Some(
                    problem
                        .unwrap_or_else(problem::invalid_body)
                        .with_fault(pointer.member("product_id"), error.to_string()),
                );
            }
        }
    }
    match problem {
        Some(problem) => Err(problem),
        None => OrderLines::merge(&lines).map_err(|error| problem::from_invalid_lines(&error)),
    }
}

fn created(OrderReply { order, replayed }: &OrderReply) -> Result<Response, Problem> {
    let location = format!("/v1/orders/{}", order.id());
    let response = respond::json(StatusCode::CREATED, &web::order_body(order))?;
    let response = respond::with_header(response, LOCATION, &location)?;
    if *replayed {
        return respond::with_header(response, IDEMPOTENCY_REPLAYED, "true");
    }
    Ok(response)
}
