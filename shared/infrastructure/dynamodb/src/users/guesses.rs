//! Counts guesses, such as passwords that are tried.

use application::outcome::Failure;
use application::ports::{GuessRecords, GuessTarget, GuessUpdate};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::Guesses;

use super::DynamoAccounts;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::{condition_held, failure};
use crate::expression::{ABSENT, names, values};
use crate::item::{number, to_item};
use crate::keys;
use crate::reading::get;
use crate::records::GuessesItem;

const AS_EXPECTED: &str =
    "#made = :made AND #wait_until_ms = :wait_until AND #forgotten_at_ms = :forgotten_at";

type Condition = (&'static str, Vec<(&'static str, AttributeValue)>);

fn unchanged(expected: Option<Guesses>) -> Condition {
    match expected {
        None => (ABSENT, Vec::new()),
        Some(Guesses { made, wait_until, forgotten_at }) => (
            AS_EXPECTED,
            vec![
                (":made", number(made)),
                (":wait_until", number(wait_until.as_millis())),
                (":forgotten_at", number(forgotten_at.as_millis())),
            ],
        ),
    }
}

impl DynamoAccounts {
    /// Puts guesses. Returns whether the condition held.
    async fn put_guesses(
        &self,
        target: GuessTarget,
        (condition, placeholders): Condition,
        new: &Guesses,
    ) -> Result<bool, Failure> {
        let put = self
            .client
            .put_item()
            .table_name(self.users.as_str())
            .set_item(Some(to_item(&GuessesItem::new(target, new))?))
            .condition_expression(condition)
            .set_expression_attribute_names(names(&[condition]))
            .set_expression_attribute_values(values(placeholders))
            .customize()
            .config_override(one_try(TRY_LIMIT))
            .send()
            .await;
        condition_held(put).map_err(failure)
    }

    /// Deletes guesses. Returns whether the condition held.
    async fn delete_guesses(
        &self,
        target: GuessTarget,
        (condition, placeholders): Condition,
    ) -> Result<bool, Failure> {
        let deleted = self
            .client
            .delete_item()
            .table_name(self.users.as_str())
            .set_key(Some(keys::record(keys::guesses(target))))
            .condition_expression(condition)
            .set_expression_attribute_names(names(&[condition]))
            .set_expression_attribute_values(values(placeholders))
            .customize()
            .config_override(one_try(TRY_LIMIT))
            .send()
            .await;
        condition_held(deleted).map_err(failure)
    }
}

impl GuessRecords for DynamoAccounts {
    async fn find(&self, target: GuessTarget) -> Result<Option<Guesses>, Failure> {
        let key = keys::record(keys::guesses(target));
        let found: Option<GuessesItem> = get(&self.client, self.users.as_str(), key).await?;
        Ok(found.map(Guesses::from))
    }

    async fn replace(
        &self,
        target: GuessTarget,
        expected: Option<Guesses>,
        new: Option<Guesses>,
    ) -> Result<GuessUpdate, Failure> {
        let unchanged = unchanged(expected);
        let replaced = match &new {
            Some(new) => self.put_guesses(target, unchanged, new).await?,
            None => self.delete_guesses(target, unchanged).await?,
        };
        if replaced {
            return Ok(GuessUpdate::Done);
        }
        Ok(GuessUpdate::Found(self.find(target).await?))
    }
}
