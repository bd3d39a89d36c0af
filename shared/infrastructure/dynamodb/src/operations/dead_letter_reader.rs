use application::outcome::Failure;
use application::ports::{DeadLetter, DeadLetterId, DeadLetterReader, Page};
use aws_sdk_dynamodb::Client;

use crate::config::EventsTable;
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{CorruptRecord, Item, from_item, text};
use crate::keys;
use crate::reading::get;
use crate::records::DeadLetterRecord;

const IS_DEAD_LETTER: &str = "begins_with(#pk, :dead_letters)";

/// Reads dead letters. There is no index of them, so a page reads 1 MB of the whole events table
/// and tells the dead letters among it: for an operator's now and then.
#[derive(Debug, Clone)]
pub struct DynamoDeadLetterReader {
    client: Client,
    events: EventsTable,
}

impl DynamoDeadLetterReader {
    /// Reads from this table.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }
}

impl DeadLetterReader for DynamoDeadLetterReader {
    /// The key of the last item that was read, of whatever kind.
    type Position = Item;

    async fn find(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, Failure> {
        let key = keys::simple(keys::dead_letter(id));
        let found: Option<DeadLetterRecord<'_>> =
            get(&self.client, self.events.as_str(), key).await?;
        Ok(found.map(DeadLetter::try_from).transpose()?)
    }

    async fn page(&self, after: Option<Item>) -> Result<Page<DeadLetter, Item>, Failure> {
        let scanned = self
            .client
            .scan()
            .table_name(self.events.as_str())
            .consistent_read(true)
            .filter_expression(IS_DEAD_LETTER)
            .set_expression_attribute_names(names(&[IS_DEAD_LETTER]))
            .set_expression_attribute_values(values(vec![(
                ":dead_letters",
                text(keys::DEAD_LETTERS),
            )]))
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(failure)?;
        let mut page = Page { items: Vec::new(), unreadable: 0, next: scanned.last_evaluated_key };
        for item in scanned.items.unwrap_or_default() {
            let key = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned();
            match letter(item) {
                Ok(letter) => page.items.push(letter),
                Err(error) => {
                    page.unreadable += 1;
                    tracing::warn!(%error, key, "a dead letter is unreadable");
                }
            }
        }
        Ok(page)
    }
}

fn letter(item: Item) -> Result<DeadLetter, CorruptRecord> {
    from_item::<DeadLetterRecord<'_>>(item)?.try_into()
}
