//! What a client gets when no order was created.

use application::orders::create::CreateOrderError;
use contracts::order::CreateOrder as Body;
use domain::identity::ProductId;
use domain::money::Money;
use domain::order::InvalidLines;
use web::problem::RETRY_AFTER_DEFAULT;
use web::{Pointer, Problem, ProblemKind};

pub(crate) fn of(error: CreateOrderError, body: &Body) -> Problem {
    match error {
        CreateOrderError::UnknownProducts(products) => unknown_products(&products, body),
        CreateOrderError::TotalTooLarge => Problem::validation(format!(
            "The total is more than {} minor units. Order less at once.",
            Money::MAX.minor()
        ))
        .with_fault(items(), "the total of all items is too large"),
        CreateOrderError::KeyReused => Problem::new(
            ProblemKind::IdempotencyKeyReused,
            "The Idempotency-Key belongs to an earlier request for something else. Send the same \
             body again, or use a new key.",
        ),
        CreateOrderError::Unavailable { .. } => Problem::unavailable(RETRY_AFTER_DEFAULT)
            .with_detail("The order was not created. Try again later.")
            .caused_by(error),
        CreateOrderError::Open { order_id, .. } => Problem::unavailable(RETRY_AFTER_DEFAULT)
            .with_detail(
                "Whether the order was created is not known yet. Try again with the same \
                 Idempotency-Key, or look the order up in some seconds.",
            )
            .with_order_id(order_id)
            .caused_by(error),
    }
}

pub(crate) fn of_lines(error: &InvalidLines) -> Problem {
    match error {
        InvalidLines::None | InvalidLines::TooMany { .. } => {
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
    Problem::validation("The body breaks a rule. See errors for where and what to change.")
}

fn unknown_products(products: &[ProductId], body: &Body) -> Problem {
    let unknown = body
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| products.iter().any(|product| product.get() == item.product_id));
    unknown.fold(invalid_body(), |problem, (position, item)| {
        let pointer = items().element(position).member("product_id");
        problem.with_fault(pointer, format!("there is no product {}", item.product_id))
    })
}

fn items() -> Pointer {
    Pointer::root().member("items")
}
