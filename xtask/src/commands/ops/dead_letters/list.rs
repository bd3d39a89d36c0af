use std::process::ExitCode;

use anyhow::Context;
use application::operations::list_dead_letters::ListDeadLetters;
use application::ports::DeadLetterSummary;
use clap::Args;
use contracts::timestamp::Timestamp;
use dynamodb::DynamoDeadLetters;
use serde::Serialize;

use super::FilterOptions;
use crate::commands::ops::listing::{Columns, ListingOptions};
use crate::commands::ops::printing::{ago, in_short, timestamp};
use crate::commands::ops::target::{LettersOptions, LettersStore};
use harness::progress::Progress;

/// The most characters of a reason in a line.
const REASON_CHARS_MAX: usize = 100;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    filter: FilterOptions,
    #[command(flatten)]
    listing: ListingOptions,
    #[command(flatten)]
    table: LettersOptions,
}

const COLUMNS: Columns<DeadLetterSummary, 6> = Columns {
    nothing: "no dead letters found",
    head: ["ID", "TYPE", "HANDLER", "ATTEMPTS", "FAILED FIRST", "REASON"],
    row: |letter, now| {
        [
            letter.id.to_string(),
            letter.event_type.clone().unwrap_or_else(|| "?".to_owned()),
            in_short(letter.handler.as_deref().unwrap_or("-"), 40),
            letter.attempts.to_string(),
            ago(letter.first_failed_at, now),
            in_short(&letter.reason, REASON_CHARS_MAX),
        ]
    },
    first: "newest",
};

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let LettersStore { client, letters } = options.table.open().await?;
    let list = ListDeadLetters { letters: DynamoDeadLetters::new(client, letters) };
    let filter = options.filter.filter();
    let progress = Progress::new();
    progress.step("reading the table of dead letters");
    let found = |found| progress.step(&format!("{found} found so far"));
    let listing = list.newest(&filter, options.listing.limit, found).await;
    progress.finish();
    let listing = listing.with_context(|| options.table.advice())?;
    options.listing.print::<_, Listed<'_>, _>(&listing, &COLUMNS)
}

/// A letter in the array of `--json`.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    id: &'a str,
    event_id: Option<String>,
    /// The aggregate that raised the event; `None` for a message from elsewhere.
    aggregate: Option<String>,
    message_id: &'a str,
    event_type: Option<&'a str>,
    subject: Option<&'a str>,
    handler: Option<&'a str>,
    reason: &'a str,
    attempts: u32,
    first_failed_at: Timestamp,
    expires_at: Option<Timestamp>,
    body_bytes: usize,
}

impl<'a> From<&'a DeadLetterSummary> for Listed<'a> {
    fn from(letter: &'a DeadLetterSummary) -> Self {
        Self {
            id: letter.id.as_str(),
            event_id: letter.event_id.map(|id| id.to_string()),
            aggregate: letter.aggregate.map(|key| key.to_string()),
            message_id: letter.message_id.as_str(),
            event_type: letter.event_type.as_deref(),
            subject: letter.subject.as_deref(),
            handler: letter.handler.as_deref(),
            reason: &letter.reason,
            attempts: letter.attempts,
            first_failed_at: timestamp(letter.first_failed_at),
            expires_at: letter.expires_at.map(timestamp),
            body_bytes: letter.body_bytes,
        }
    }
}
