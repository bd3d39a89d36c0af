//! Failed deliveries that are written to an order, which saves an hour of waiting.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::provision::{DEMO_USER_ID, Names};

/// Adds `more` failed deliveries to a pending event's entry, as event-consumer adds each one. The
/// entry must already have a failure.
///
/// # Errors
/// When the entry has no failure, or the table does not answer.
pub async fn add_failures(
    client: &Client,
    names: &Names,
    order_id: &str,
    event_id: &str,
    more: u32,
) -> anyhow::Result<()> {
    let text = |text: String| AttributeValue::S(text);
    let number = |number: u32| AttributeValue::N(number.to_string());
    client
        .update_item()
        .table_name(names.table("OrdersTable").unwrap_or_default())
        .key("pk", text(format!("USER#{DEMO_USER_ID}")))
        .key("sk", text(format!("ORDER#{order_id}")))
        .update_expression(
            "SET #pending.#event.#failures = #pending.#event.#failures + :more, \
             #revision = #revision + :one",
        )
        .condition_expression("attribute_exists(#pending.#event.#failures)")
        .expression_attribute_names("#pending", "pending")
        .expression_attribute_names("#event", event_id)
        .expression_attribute_names("#failures", "failures")
        .expression_attribute_names("#revision", "revision")
        .expression_attribute_values(":more", number(more))
        .expression_attribute_values(":one", number(1))
        .send()
        .await?;
    Ok(())
}
