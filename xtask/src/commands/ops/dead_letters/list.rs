use std::process::ExitCode;

use anyhow::Context;
use application::list_dead_letters::{DeadLetterSummary, ListDeadLetters};
use application::listing::Listing;
use application::ports::Clock;
use clap::Args;
use contracts::event::EventType;
use contracts::timestamp::Timestamp;
use dynamodb::DynamoDeadLetterReader;
use platform::clock::SystemClock;
use serde::Serialize;

use super::FilterOptions;
use crate::commands::ops::target::{EventsStore, EventsTableOptions};
use crate::commands::ops::telling::{ago, in_short, print_table, timestamp};
use crate::progress::Progress;

/// How much of a reason a line shows, in characters.
const REASON_CHARS_MAX: usize = 100;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    filter: FilterOptions,
    /// How many at the most.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// One JSON array, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: EventsTableOptions,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let EventsStore { client, table } = options.table.open().await?;
    let list = ListDeadLetters { letters: DynamoDeadLetterReader::new(client, table) };
    let filter = options.filter.filter();
    let progress = Progress::new();
    progress.step("reading the events table");
    let listing = list
        .newest(&filter, options.limit, |found| progress.step(&format!("{found} found so far")))
        .await;
    progress.finish();
    let listing = listing.with_context(|| options.table.advice())?;
    if options.json {
        let told: Vec<_> = listing.items.iter().map(Told::from).collect();
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        print(&listing);
    }
    if listing.unreadable > 0 {
        eprintln!("{} more records could not be read; see the lines above", listing.unreadable);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(listing: &Listing<DeadLetterSummary>) {
    if listing.items.is_empty() {
        println!("there are no such dead letters");
        return;
    }
    let now = SystemClock.now();
    let row = |letter: &DeadLetterSummary| {
        [
            letter.id.to_string(),
            letter.event_type.map_or("?", EventType::as_str).to_owned(),
            in_short(letter.handler.as_deref().unwrap_or("-"), 40),
            letter.attempts.to_string(),
            ago(letter.first_failed_at, now),
            in_short(&letter.reason, REASON_CHARS_MAX),
        ]
    };
    let rows = listing.items.iter().map(row).collect();
    print_table(["ID", "TYPE", "HANDLER", "ATTEMPTS", "FAILED FIRST", "REASON"], rows);
    let shown = listing.items.len();
    if u64::try_from(shown).is_ok_and(|shown| shown < listing.found) {
        eprintln!("the newest {shown} of {}; --limit shows more", listing.found);
    }
}

/// A letter as `--json` tells it.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    id: &'a str,
    event_id: Option<String>,
    message_id: &'a str,
    event_type: Option<EventType>,
    subject: Option<&'a str>,
    handler: Option<&'a str>,
    reason: &'a str,
    attempts: u32,
    first_failed_at: Timestamp,
    expires_at: Timestamp,
    body_bytes: usize,
}

impl<'a> From<&'a DeadLetterSummary> for Told<'a> {
    fn from(letter: &'a DeadLetterSummary) -> Self {
        Self {
            id: letter.id.as_str(),
            event_id: letter.event_id.map(|id| id.to_string()),
            message_id: &letter.message_id,
            event_type: letter.event_type,
            subject: letter.subject.as_deref(),
            handler: letter.handler.as_deref(),
            reason: &letter.reason,
            attempts: letter.attempts,
            first_failed_at: timestamp(letter.first_failed_at),
            expires_at: timestamp(letter.expires_at),
            body_bytes: letter.body_bytes,
        }
    }
}
