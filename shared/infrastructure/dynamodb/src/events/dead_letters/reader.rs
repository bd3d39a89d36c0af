//! Finds dead letters, and lists them without their bodies.

use application::outcome::Failure;
use application::ports::{DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterSummary, Page};

use super::DynamoDeadLetters;
use crate::error::failure;
use crate::item::{CorruptRecord, Item, from_item};
use crate::keys;
use crate::reading::get;
use crate::records::{DeadLetterRecord, DeadLetterSummaryRecord};

/// The index of letters without their bodies, of which a page is at most 1 MB.
const SUMMARIES: &str = "summaries";

impl<Aggregates: Send + Sync> DeadLetterReader for DynamoDeadLetters<Aggregates> {
    /// The key of the last letter that was read, in the index.
    type Position = Item;

    async fn find(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, Failure> {
        let key = keys::simple(keys::dead_letter(id));
        let found: Option<DeadLetterRecord<'_>> =
            get(&self.client, self.letters.as_str(), key).await?;
        Ok(found.map(DeadLetter::try_from).transpose()?)
    }

    async fn page(&self, after: Option<Item>) -> Result<Page<DeadLetterSummary, Item>, Failure> {
        let scanned = self
            .client
            .scan()
            .table_name(self.letters.as_str())
            .index_name(SUMMARIES)
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(failure)?;
        let mut page = Page { items: Vec::new(), unreadable: 0, next: scanned.last_evaluated_key };
        for item in scanned.items.unwrap_or_default() {
            let key = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned();
            match summary(item) {
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

fn summary(item: Item) -> Result<DeadLetterSummary, CorruptRecord> {
    from_item::<DeadLetterSummaryRecord>(item)?.try_into()
}
