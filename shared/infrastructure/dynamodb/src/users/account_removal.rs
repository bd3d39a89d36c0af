//! Deletes accounts with their traces, or only the networks that an account knows.

use std::collections::HashMap;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{
    AccountDeletion, AccountRemoval, AddressDigest, CancelledChange, KnownSourceRemoval, Source,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use domain::account::Account;
use domain::aggregate::AggregateKey;
use domain::pending::Rank;

use super::accounts::cancelled_change;
use super::{DynamoAccounts, FREE_OR_SAME_USER};
use crate::config::UsersTable;
use crate::error::{failure, incomplete};
use crate::expression::{ItemUpdate, UpdateBuilder, names, values};
use crate::item::{Item, number, text, to_item};
use crate::keys;
use crate::records::{PendingRecord, StampRecord};
use crate::transaction::{Transaction, write};

const BEGINS_WITH: &str = "#pk = :pk AND begins_with(#sk, :beginning)";

/// The most items of one call
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
const BATCH_MAX: i32 = 25;

/// How many calls in a row may leave items undeleted.
const ROUNDS_MAX: u32 = 8;

/// The pause after a call that left items undeleted; it doubles with each.
const ROUND_PAUSE: Duration = Duration::from_millis(25);

impl DynamoAccounts {
    fn delete_transaction(&self, deletion: &AccountDeletion<'_>) -> Result<Transaction, Failure> {
        let account = deletion.account;
        Transaction::default().update(self.users.as_str(), emptied(deletion)?)?.delete_if(
            self.users.as_str(),
            keys::record(keys::email(account.email().key())),
            FREE_OR_SAME_USER,
            vec![(":user_id", number(account.user_id().get()))],
        )
    }
}

/// Empties an account, if it is still the version that was read. Its number and its events stay,
/// with `UserDeleted` pending, and all other pending events stay pending.
fn emptied(deletion: &AccountDeletion<'_>) -> Result<ItemUpdate, Failure> {
    let AccountDeletion { account, event, pending } = deletion;
    let key = AggregateKey::Account { user_id: account.user_id() };
    let mut update = UpdateBuilder::default();
    let stamp = StampRecord::new(&event.stamp, event.at);
    update.set("#deletion", AttributeValue::M(to_item(&stamp)?));
    update.set("#version", number(event.aggregate_version));
    let entry = update.name(event.stamp.event_id);
    let record = PendingRecord::from(*pending);
    update.set(&format!("#pending.{entry}"), AttributeValue::M(to_item(&record)?));
    update.add("#revision", number(1));
    // This event was never sent, so the sweep reads the account first, whatever else is pending.
    update.set("#shard", text(keys::pending_shard(Rank::First, key)));
    update.set("#due_ms", number(pending.due.as_millis()));
    update.set_if_absent("#since_ms", number(pending.since.as_millis()));
    for path in [
        "#email",
        "#typed_email",
        "#email_confirmed",
        "#requested_email",
        "#password_hash",
        "#session_epoch",
        "#logins_until_ms",
        "#exchanges_until_ms",
        "#attempt",
    ] {
        update.remove(path);
    }
    let condition = format!("#version = {}", update.value(number(account.version())));
    Ok(update.when(keys::of_aggregate(key), condition))
}

impl KnownSourceRemoval for DynamoAccounts {
    async fn forget_all_except(
        &self,
        account: &Account,
        keep: Option<Source>,
    ) -> Result<(), Failure> {
        let sources = keys::sources_of(AddressDigest::of(account.email()));
        let keep = keep.map(keys::source);
        erase(&self.client, &self.users, sources, keys::SOURCES, keep.as_deref()).await
    }
}

impl AccountRemoval for DynamoAccounts {
    async fn erase_traces(&self, account: &Account) -> Result<(), Failure> {
        let Self { client, users } = self;
        erase(client, users, keys::user(account.user_id()), keys::ACTIVITIES, None).await?;
        let sources = keys::sources_of(AddressDigest::of(account.email()));
        erase(client, users, sources, keys::SOURCES, None).await
    }

    async fn delete(
        &self,
        deletion: &AccountDeletion<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledChange> {
        let transaction = self.delete_transaction(deletion);
        write(transaction, &self.client, deadline, cancelled_change).await
    }
}

/// Deletes every item of a partition whose sort key starts with `beginning`, except the one with
/// the sort key `keep`.
///
/// # Errors
///
/// [`Failure`] if it is not known that all of them are deleted.
async fn erase(
    client: &Client,
    table: &UsersTable,
    pk: String,
    beginning: &str,
    keep: Option<&str>,
) -> Result<(), Failure> {
    let mut rounds_incomplete = 0;
    loop {
        // At most one of the 25 keys is kept, so there is progress while other items exist.
        let mut keys = first_keys(client, table, &pk, beginning).await?;
        keys.retain(|key| key.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) != keep);
        if keys.is_empty() {
            return Ok(());
        }
        if delete(client, table, keys).await? {
            rounds_incomplete = 0;
        } else if rounds_incomplete < ROUNDS_MAX {
            tokio::time::sleep(ROUND_PAUSE * 2_u32.pow(rounds_incomplete)).await;
            rounds_incomplete += 1;
        } else {
            return Err(Failure::new(FailureClass::Throttled, "some items were not deleted"));
        }
    }
}

async fn first_keys(
    client: &Client,
    table: &UsersTable,
    pk: &str,
    beginning: &str,
) -> Result<Vec<Item>, Failure> {
    let found = client
        .query()
        .table_name(table.as_str())
        .consistent_read(true)
        .key_condition_expression(BEGINS_WITH)
        .projection_expression("#pk, #sk")
        .set_expression_attribute_names(names(&[BEGINS_WITH]))
        .set_expression_attribute_values(values(vec![
            (":pk", text(pk)),
            (":beginning", text(beginning)),
        ]))
        .limit(BATCH_MAX)
        .send()
        .await
        .map_err(failure)?;
    Ok(found.items.unwrap_or_default())
}

/// Deletes items. Returns whether all of them were deleted.
async fn delete(client: &Client, table: &UsersTable, keys: Vec<Item>) -> Result<bool, Failure> {
    let mut requests = Vec::with_capacity(keys.len());
    for key in keys {
        let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(incomplete)?;
        requests.push(WriteRequest::builder().delete_request(delete).build());
    }
    let requests = HashMap::from([(table.as_str().to_owned(), requests)]);
    let call = client.batch_write_item().set_request_items(Some(requests));
    let remaining = call.send().await.map_err(failure)?.unprocessed_items.unwrap_or_default();
    Ok(remaining.is_empty())
}
