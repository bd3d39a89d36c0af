//! The problems of a request that created no order.

use application::orders::create::CreateOrderError;
use contracts::order::CreateOrder as Body;
use domain::identity::ProductId;
use domain::money::Money;
use domain::order::InvalidLines;
use web::problem::RETRY_AFTER_DEFAULT;
use web::{Pointer, Problem, ProblemKind};

pub(crate) fn from_error(error: CreateOrderError, body: &Body) -> Problem {
    match error {
        CreateOrderError::UnknownProducts(products) => unknown_products(&products, body),
        CreateOrderError::TotalTooLarge => Problem::validation(format!(
            "The total is more than {} minor units. Reduce the order.",
            Money::MAX.minor()
        ))
        .with_fault(items(), "the total of all items is too large"),
        CreateOrderError::KeyReused => Problem::new(
            ProblemKind::IdempotencyKeyReused,
            "The Idempotency-Key was used for a different request. Send the same body again, or use \
             a new key.",
        ),
        CreateOrderError::Unavailable { .. } => Problem::unavailable(RETRY_AFTER_DEFAULT)
            .with_detail("The order was not created. Try again later.")
            .caused_by(error),
        CreateOrderError::Open { order_id, .. } => Problem::unavailable(RETRY_AFTER_DEFAULT)
            .with_detail(
                "It is not yet known whether the order was created. Try again with the same \
                 Idempotency-Key, or look the order up in a few seconds.",
            )
            .with_order_id(order_id)
            .caused_by(error),
    }
}

pub(crate) fn from_invalid_lines(error: &InvalidLines) -> Problem {
    match error {
        InvalidLines::Empty | InvalidLines::TooMany { .. } => {
            invalid_body().with_fault(items(), error.to_string())
        }
        InvalidLines::Quantities { lines } => {
            lines.iter().fold(invalid_body(), |problem, position| {
                let pointer = items().element(*position).member("quantity");
                problem.with_fault(pointer, error.to_string())
            })
        }
    }
}

pub(crate) fn invalid_body() -> Problem {
    Problem::validation("The body breaks a rule. See `errors` for what to change and where.")
}

fn unknown_products(products: &[ProductId], body: &Body) -> Problem {
    let unknown = body
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| products.iter().any(|product| product.get() == item.product_id));
    unknown.fold(invalid_body(), |problem, (position, item)| {
        let pointer = items().element(position).member("product_id");
        problem.with_fault(pointer, format!("product {} does not exist", item.product_id))
    })
}

fn items() -> Pointer {
    Pointer::root().member("items")
}
