use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use application::list_pending_events::ListPendingEvents;
use application::ports::RecordedEvent;
use clap::Args;
use contracts::event::EventType;
use contracts::timestamp::Timestamp;
use dynamodb::DynamoOutboxReader;
use platform::clock::SystemClock;
use serde::Serialize;

use crate::commands::ops::listing::{Columns, ListingOptions};
use crate::commands::ops::printing::{ago, parse_age, timestamp};
use crate::commands::ops::target::EventsStore;
use harness::progress::Progress;

#[derive(Args)]
pub(crate) struct Options {
    /// Only those that were recorded at least so long ago, such as 90s, 10m, 2h or 3d.
    #[arg(long, value_parser = parse_age, default_value = "0s", value_name = "AGE")]
    older_than: Duration,
    #[command(flatten)]
    listing: ListingOptions,
}

const COLUMNS: Columns<RecordedEvent, 5> = Columns {
    nothing: "there are no such events",
    head: ["EVENT", "TYPE", "SUBJECT", "AGE", "HALF MESSAGE"],
    row: |event, now| {
        [
            event.message.event_id.to_string(),
            event.message.event_type.as_str().to_owned(),
            event.message.subject.clone(),
            ago(event.recorded_at, now),
            if event.unpublished { "never sent" } else { "sent" }.to_owned(),
        ]
    },
    first: "oldest",
};

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let ListingOptions { limit, table, .. } = &options.listing;
    let EventsStore { client, table: events } = table.open().await?;
    let events = DynamoOutboxReader::new(client, events);
    let list = ListPendingEvents { events, clock: SystemClock };
    let progress = Progress::new();
    progress.step("reading the index of unobserved events");
    let found = |found| progress.step(&format!("{found} found so far"));
    let listing = list.oldest(options.older_than, *limit, found).await;
    progress.finish();
    let listing = listing.with_context(|| table.advice())?;
    options.listing.tell::<_, Told<'_>, _>(&listing, &COLUMNS)
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
