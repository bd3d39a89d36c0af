//! `POST /v1/orders`: takes an order.

pub mod config;
mod problem;

use application::create_order::{CreateOrder, CreateOrderCommand, OrderTaken};
use application::ports::{
    AccessTokenVerifier, Catalog, Clock, IdentitySource, OrderRepository, TransactionalPublisher,
};
use contracts::order::CreateOrder as Body;
use domain::identity::{ProductId, UserId};
use domain::order::{OrderLine, OrderLines};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use web::idempotency::IDEMPOTENCY_REPLAYED;
use web::{Pointer, Problem, RequestContext, Response, respond};

/// The handler with what it needs.
pub struct Handler<R, C, P, K, I, V> {
    /// The use case.
    pub create_order: CreateOrder<R, C, P, K, I>,
    /// Verifies access tokens.
    pub tokens: V,
}

impl<R, C, P, K, I, V> Handler<R, C, P, K, I, V>
where
    R: OrderRepository,
    C: Catalog,
    P: TransactionalPublisher,
    K: Clock,
    I: IdentitySource,
    V: AccessTokenVerifier,
{
    /// Answers a request; every problem is an answer too.
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&self.create_order.clock, request, async |context, request| {
            self.take_order(context, &request).await
        })
        .await
    }

    async fn take_order(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let bearer =
            web::authenticate(request.headers(), &self.tokens, &self.create_order.clock).await?;
        let key = web::idempotency_key(request.headers())?;
        let body: Body = web::read_json(request)?;
        let command = CreateOrderCommand {
            user_id: own(bearer.user_id, body.user_id)?,
            lines: lines(&body)?,
            key,
            traceparent: context.traceparent.map(|traceparent| traceparent.as_str().to_owned()),
        };
        let taken = self
            .create_order
            .execute(&command, context.deadline)
            .await
            .map_err(|error| problem::of(error, &body))?;
        created(taken)
    }
}

/// The token's user. A body may repeat it but not name another.
fn own(user_id: UserId, asked: Option<u64>) -> Result<UserId, Problem> {
    match asked {
        Some(asked) if asked != user_id.get() => Err(Problem::forbidden(
            "The body's user_id is not the token's user. Leave it out, or log in as that user.",
        )),
        _ => Ok(user_id),
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
        None => OrderLines::merge(&lines).map_err(|error| problem::of_lines(&error)),
    }
}

fn created(taken: OrderTaken) -> Result<Response, Problem> {
    let location = format!("/v1/orders/{}", taken.order_id);
    let response = respond::json_text(StatusCode::CREATED, taken.answer);
    let response = respond::with_header(response, LOCATION, &location)?;
    if taken.replayed {
        return respond::with_header(response, IDEMPOTENCY_REPLAYED, "true");
    }
    Ok(response)
}
