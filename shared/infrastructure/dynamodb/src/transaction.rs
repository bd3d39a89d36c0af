//! One try of a transaction.
//!
//! The rules are those of
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>: at
//! most 100 items and 4 MB, and no two items with the same key. No transaction is sent with a
//! `ClientRequestToken`: an earlier try is recognised by the items that it stored, however long ago,
//! and the use case does that.

use std::vec;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, ItemReason, WriteTry};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError, TransactWriteItemsInput,
};
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use serde::Serialize;

use crate::connect::one_try;
use crate::error::{failed_try, incomplete};
use crate::expression::{ABSENT, ItemUpdate, names, values};
use crate::item::{CorruptRecord, Item, to_item};

const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// The items of a transaction, which is cancelled with the reasons in their order.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    items: Vec<TransactWriteItem>,
}

impl Transaction {
    /// Puts a record if there is no item with its key.
    pub(crate) fn put_if_absent(
        self,
        table: &str,
        record: &impl Serialize,
    ) -> Result<Self, Failure> {
        self.put_if(table, record, ABSENT, Vec::new())
    }

    pub(crate) fn put_if(
        mut self,
        table: &str,
        record: &impl Serialize,
        condition: &str,
        placeholders: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Self, Failure> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(to_item(record)?))
            .condition_expression(condition)
            .set_expression_attribute_names(names(&[condition]))
            .set_expression_attribute_values(values(placeholders))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(incomplete)?;
        self.items.push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    /// Puts a record, and replaces any item with its key.
    pub(crate) fn put(mut self, table: &str, record: &impl Serialize) -> Result<Self, Failure> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(to_item(record)?))
            .build()
            .map_err(incomplete)?;
        self.items.push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    pub(crate) fn delete_if(
        mut self,
        table: &str,
        key: Item,
        condition: &str,
        placeholders: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Self, Failure> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition)
            .set_expression_attribute_names(names(&[condition]))
            .set_expression_attribute_values(values(placeholders))
            .build()
            .map_err(incomplete)?;
        self.items.push(TransactWriteItem::builder().delete(delete).build());
        Ok(self)
    }

    pub(crate) fn update(
        mut self,
        table: &str,
        change: impl Into<ItemUpdate>,
    ) -> Result<Self, Failure> {
        let change = change.into();
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(change.key))
            .update_expression(change.update)
            .condition_expression(change.condition)
            .set_expression_attribute_names(change.names)
            .set_expression_attribute_values(change.values)
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(incomplete)?;
        self.items.push(TransactWriteItem::builder().update(update).build());
        Ok(self)
    }

    /// Makes one try, within `deadline`. Nothing is sent after the deadline.
    async fn write(self, client: &Client, deadline: Deadline) -> WriteTry<Reasons> {
        if deadline.has_passed() {
            return WriteTry::NotBegun(too_late());
        }
        let call = client.transact_write_items().set_transact_items(Some(self.items));
        let one_try = one_try(deadline.remaining());
        let call = call.customize().config_override(one_try.interceptor(WithoutToken));
        let written = call.send().await;
        match written {
            Ok(_) => WriteTry::Done,
            Err(error) => outcome_of(error),
        }
    }
}

/// The failure of a write that was not sent because its deadline had passed.
pub(crate) fn too_late() -> Failure {
    Failure::new(FailureClass::Unavailable, "its deadline passed before it was sent")
}

/// Removes the token that the SDK adds to a transaction: no second try repeats it, and the store
/// would keep it for ten minutes.
#[derive(Debug)]
struct WithoutToken;

impl Intercept for WithoutToken {
    fn name(&self) -> &'static str {
        "WithoutToken"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(input) = context.input_mut().downcast_mut::<TransactWriteItemsInput>() {
            input.client_request_token = None;
        }
        Ok(())
    }
}

/// Makes one try of a transaction, if it could be built, and reads the reasons of its cancellation.
pub(crate) async fn write<Reason>(
    transaction: Result<Transaction, Failure>,
    client: &Client,
    deadline: Deadline,
    cancelled: impl FnOnce(Reasons) -> Reason,
) -> WriteTry<Reason> {
    let transaction = match transaction {
        Ok(transaction) => transaction,
        Err(failure) => return WriteTry::NotBegun(failure),
    };
    match transaction.write(client, deadline).await {
        WriteTry::Done => WriteTry::Done,
        WriteTry::Cancelled(reasons) => WriteTry::Cancelled(cancelled(reasons)),
        WriteTry::NotBegun(failure) => WriteTry::NotBegun(failure),
        WriteTry::Unknown(failure) => WriteTry::Unknown(failure),
    }
}

fn outcome_of(error: SdkError<TransactWriteItemsError, HttpResponse>) -> WriteTry<Reasons> {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
        && let Some(reasons) = Reasons::new(cancelled)
    {
        return match reasons.verdict() {
            None => WriteTry::Cancelled(reasons),
            Some(class) => WriteTry::NotBegun(Failure::new(class, error)),
        };
    }
    failed_try(error)
}

/// Why a transaction was cancelled: one reason per item, in the order of the items.
#[derive(Debug)]
pub(crate) struct Reasons {
    reasons: vec::IntoIter<ItemReason<Item>>,
    /// Whether an item can never be stored as it is.
    invalid: bool,
    /// Whether the store throttles. More often than an error of the whole call, a throttled
    /// transaction gets a cancellation with such a reason.
    throttled: bool,
}

impl Reasons {
    /// The reasons of a cancellation, if it has any.
    fn new(cancelled: &TransactionCanceledException) -> Option<Self> {
        let given = cancelled.cancellation_reasons();
        let any = |is: fn(&str) -> bool| given.iter().filter_map(CancellationReason::code).any(is);
        let (invalid, throttled) = (any(is_permanent), any(is_throttle));
        let reasons: Vec<_> = given.iter().map(reason).collect();
        (!reasons.is_empty()).then(|| Self { reasons: reasons.into_iter(), invalid, throttled })
    }

    /// The class of the whole failure: no further try can succeed, or the store throttles. A failed
    /// condition comes first, because an earlier try may have stored that item; then it is `None`.
    fn verdict(&self) -> Option<FailureClass> {
        match self {
            _ if self.any_condition_failed() => None,
            Self { invalid: true, .. } => Some(FailureClass::Permanent),
            Self { throttled: true, .. } => Some(FailureClass::Throttled),
            Self { .. } => None,
        }
    }

    /// Whether the condition of any item failed whose reason was not read yet.
    pub(crate) fn any_condition_failed(&self) -> bool {
        self.reasons.as_slice().iter().any(ItemReason::condition_failed)
    }

    /// The reason for the next item, whatever was found in its place.
    pub(crate) fn next_unread(&mut self) -> ItemReason<()> {
        self.next_read(|_| Ok::<_, CorruptRecord>(()))
    }

    /// The reason for the next item.
    pub(crate) fn next(&mut self) -> ItemReason<Item> {
        self.reasons.next().unwrap_or(ItemReason::None)
    }

    /// The reason for the next item, with the found item read by `read`. An item that can't be read
    /// is logged, and counts as a failed condition.
    pub(crate) fn next_read<Record, Error: std::fmt::Display>(
        &mut self,
        read: impl FnOnce(Item) -> Result<Record, Error>,
    ) -> ItemReason<Record> {
        match self.next() {
            ItemReason::None => ItemReason::None,
            ItemReason::Busy => ItemReason::Busy,
            ItemReason::ConditionFailed(found) => {
                ItemReason::ConditionFailed(found.and_then(|item| {
                    read(item)
                        .inspect_err(
                            |error| tracing::error!(%error, "a stored record is unreadable"),
                        )
                        .ok()
                }))
            }
        }
    }
}

fn reason(given: &CancellationReason) -> ItemReason<Item> {
    match given.code() {
        None | Some("None") => ItemReason::None,
        Some("ConditionalCheckFailed") => ItemReason::ConditionFailed(given.item.clone()),
        // TransactionConflict, ThrottlingError, ProvisionedThroughputExceeded, and any new code.
        Some(_) => ItemReason::Busy,
    }
}

fn is_throttle(code: &str) -> bool {
    matches!(code, "ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded")
}

fn is_permanent(code: &str) -> bool {
    matches!(code, "ValidationError" | "ItemCollectionSizeLimitExceeded")
}

#[cfg(test)]
mod tests;
