use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use application::list_pending_events::ListPendingEvents;
use application::listing::Listing;
use application::ports::{Clock, RecordedEvent};
use clap::Args;
use contracts::event::EventType;
use contracts::timestamp::Timestamp;
use dynamodb::DynamoOutboxReader;
use platform::clock::SystemClock;
use serde::Serialize;

use crate::commands::ops::target::{EventsStore, EventsTableOptions};
use crate::commands::ops::telling::{ago, parse_age, print_table, timestamp};
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct Options {
    /// Only those that were recorded at least so long ago, such as 90s, 10m, 2h or 3d.
    #[arg(long, value_parser = parse_age, default_value = "0s", value_name = "AGE")]
    older_than: Duration,
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
    let events = DynamoOutboxReader::new(client, table);
    let list = ListPendingEvents { events, clock: SystemClock };
    let progress = Progress::new();
    progress.step("reading the index of unobserved events");
    let found = |found| progress.step(&format!("{found} found so far"));
    let listing = list.oldest(options.older_than, options.limit, found).await;
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

fn print(listing: &Listing<RecordedEvent>) {
    if listing.items.is_empty() {
        println!("there are no such events");
        return;
    }
    let now = SystemClock.now();
    let row = |event: &RecordedEvent| {
        [
            event.message.event_id.to_string(),
            event.message.event_type.as_str().to_owned(),
            event.message.subject.clone(),
            ago(event.recorded_at, now),
            if event.unpublished { "never sent" } else { "sent" }.to_owned(),
        ]
    };
    let rows = listing.items.iter().map(row).collect();
    print_table(["EVENT", "TYPE", "SUBJECT", "AGE", "HALF MESSAGE"], rows);
    let shown = listing.items.len();
    if u64::try_from(shown).is_ok_and(|shown| shown < listing.found) {
        eprintln!("the oldest {shown} of {}; --limit shows more", listing.found);
    }
}

/// An event as `--json` tells it.
#[derive(Serialize)]
struct Told<'a> {
    event_id: String,
    event_type: EventType,
    subject: &'a str,
    transaction_id: String,
    recorded_at: Timestamp,
    /// Whether no half message of it was ever sent.
    unpublished: bool,
    /// When the sweep looks at it.
    sweep_due: Timestamp,
}

impl<'a> From<&'a RecordedEvent> for Told<'a> {
    fn from(event: &'a RecordedEvent) -> Self {
        Self {
            event_id: event.message.event_id.to_string(),
            event_type: event.message.event_type,
            subject: &event.message.subject,
            transaction_id: event.transaction_id.to_string(),
            recorded_at: timestamp(event.recorded_at),
            unpublished: event.unpublished,
            sweep_due: timestamp(event.sweep_due),
        }
    }
}
