//! Orders, and what can be ordered.

use contracts::order::{CreateOrder, Order, OrderPage};
use contracts::product::ProductPage;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use web::ProblemKind::{IdempotencyKeyReused, NotFound, Unavailable};
use web::problem::RETRY_AFTER_DEFAULT;
use web::{Pointer, Problem};

use super::next_page;
use crate::openapi::operation::{Access, Body, Operation, Success};
use crate::openapi::problems::usual;
use crate::openapi::reusable::Parameter;
use crate::schemas::Schemas;

pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    vec![create(schemas), list(schemas), show(schemas), cancel(schemas), products(schemas)]
}

const ORDER_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// An order with this history.
fn order(history: &[&str]) -> Value {
    let moments = ["12:00:00.125Z", "12:00:00.480Z", "12:05:31.007Z"];
    let changes: Vec<Value> = history
        .iter()
        .zip(moments)
        .map(|(status, at)| json!({"status": status, "at": format!("2026-01-31T{at}")}))
        .collect();
    let notifications = match history {
        [_] => json!([]),
        _ => json!([{"type": "OrderCreated", "at": "2026-01-31T12:00:00.410Z"}]),
    };
    json!({
        "order_id": ORDER_ID,
        "user_id": 123,
        "status": history.last(),
        "currency": "EUR",
        "items": [
            {"product_id": 1, "quantity": 2, "unit_price": 1250},
            {"product_id": 3, "quantity": 1, "unit_price": 3490},
        ],
        "total": 5990,
        "created_at": "2026-01-31T12:00:00.125Z",
        "history": changes,
        "notifications": notifications,
    })
}

fn unavailable(detail: &str) -> Problem {
    Problem::unavailable(RETRY_AFTER_DEFAULT).with_detail(detail)
}

/// The problems of a request that creates no order, or perhaps one.
fn not_created() -> Vec<Problem> {
    let quantity = Pointer::root().member("items").element(0).member("quantity");
    let open = unavailable(
        "It is not yet known whether the order was created. Try again with the same \
         Idempotency-Key, or look the order up in a few seconds.",
    );
    let open = match ORDER_ID.parse() {
        Ok(order_id) => open.with_order_id(order_id),
        Err(_not_an_identifier) => open,
    };
    vec![
        Problem::forbidden(
            "The body's user_id is not the token's user. Leave it out, or log in as that user.",
        ),
        Problem::validation("The body breaks a rule. See `errors` for what to change and where.")
            .with_fault(quantity, "the quantity of one product must be from 1 to 999"),
        usual(IdempotencyKeyReused),
        unavailable("The order was not created. Try again later."),
        open,
    ]
}

fn create(schemas: &mut Schemas) -> Operation {
    let two =
        json!({"items": [{"product_id": 1, "quantity": 2}, {"product_id": 3, "quantity": 1}]});
    Operation {
        method: Method::POST,
        path: "/v1/orders",
        id: "createOrder",
        tag: "orders",
        summary: "Creates an order",
        description: "Lines of one product are merged; the merged quantity is 1 to 999. Every product \
            must exist. After a 503, or no answer at all, the same request under the same \
            `Idempotency-Key` settles what became of the first.",
        access: Access::User,
        parameters: vec![Parameter::IdempotencyKey, Parameter::Traceparent],
        body: Some(Body {
            schema: schemas.request::<CreateOrder>(),
            examples: vec![("twoProducts", "Two products", two)],
        }),
        success: Success {
            status: StatusCode::CREATED,
            description: "The order as it was created",
            body: Some((schemas.response::<Order>(), order(&["CREATED"]))),
            headers: &["Location", "Idempotency-Replayed"],
            links: json!({
                "getOrder": {
                    "operationId": "getOrder",
                    "parameters": {"order_id": "$response.body#/order_id"},
                },
                "cancelOrder": {
                    "operationId": "cancelOrder",
                    "parameters": {"order_id": "$response.body#/order_id"},
                },
            }),
        },
        problems: not_created(),
    }
}

fn list(schemas: &mut Schemas) -> Operation {
    let page = json!({"orders": [order(&["CREATED", "CONFIRMED"])]});
    Operation {
        method: Method::GET,
        path: "/v1/orders",
        id: "listOrders",
        tag: "orders",
        summary: "Lists the user's orders",
        description: "The newest first. A cursor is its user's and its status's own.",
        access: Access::User,
        parameters: vec![
            Parameter::Limit,
            Parameter::Cursor,
            Parameter::Status,
            Parameter::Traceparent,
        ],
        body: None,
        success: Success {
            status: StatusCode::OK,
            description: "A page of orders",
            body: Some((schemas.response::<OrderPage>(), page)),
            headers: &[],
            links: next_page("listOrders", &["status"]),
        },
        problems: Vec::new(),
    }
}

fn show(schemas: &mut Schemas) -> Operation {
    Operation {
        method: Method::GET,
        path: "/v1/orders/{order_id}",
        id: "getOrder",
        tag: "orders",
        summary: "Shows an order",
        description: "Another user's order is answered as one that does not exist.",
        access: Access::User,
        parameters: vec![Parameter::OrderId, Parameter::Traceparent],
        body: None,
        success: Success {
            status: StatusCode::OK,
            description: "The order",
            body: Some((schemas.response::<Order>(), order(&["CREATED", "CONFIRMED"]))),
            headers: &[],
            links: json!({
                "cancelOrder": {
                    "operationId": "cancelOrder",
                    "parameters": {"order_id": "$response.body#/order_id"},
                },
            }),
        },
        problems: vec![usual(NotFound)],
    }
}

fn cancel(schemas: &mut Schemas) -> Operation {
    Operation {
        method: Method::POST,
        path: "/v1/orders/{order_id}/cancel",
        id: "cancelOrder",
        tag: "orders",
        summary: "Cancels an order",
        description: "A CREATED or CONFIRMED order; what it has taken is back in stock. One that is \
            cancelled already is answered with 200 as it is, so a cancel may be sent again. It needs \
            no body.",
        access: Access::User,
        parameters: vec![
            Parameter::OrderId,
            Parameter::CancelIdempotencyKey,
            Parameter::Traceparent,
        ],
        body: None,
        success: Success {
            status: StatusCode::OK,
            description: "The cancelled order",
            body: Some((
                schemas.response::<Order>(),
                order(&["CREATED", "CONFIRMED", "CANCELLED"]),
            )),
            headers: &[],
            links: json!({
                "getOrder": {
                    "operationId": "getOrder",
                    "parameters": {"order_id": "$response.body#/order_id"},
                },
            }),
        },
        problems: vec![
            usual(NotFound),
            Problem::conflict("The order was rejected, so it cannot be cancelled."),
            usual(Unavailable),
            unavailable("It is not yet known whether the order was cancelled. Try again."),
        ],
    }
}

fn products(schemas: &mut Schemas) -> Operation {
    let cup = json!({
        "product_id": 1,
        "name": "Espresso cup",
        "unit_price": 1250,
        "currency": "EUR",
        "available": true,
    });
    Operation {
        method: Method::GET,
        path: "/v1/products",
        id: "listProducts",
        tag: "products",
        summary: "Lists the products",
        description: "Their order has no meaning; each is on one page alone.",
        access: Access::Anyone,
        parameters: vec![Parameter::Limit, Parameter::Cursor, Parameter::Traceparent],
        body: None,
        success: Success {
            status: StatusCode::OK,
            description: "A page of products",
            body: Some((schemas.response::<ProductPage>(), json!({"products": [cup]}))),
            headers: &[],
            links: next_page("listProducts", &[]),
        },
        problems: Vec::new(),
    }
}
