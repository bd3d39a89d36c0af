use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use application::operations::list_pending::{ListPending, ListedEvent};
use clap::Args;
use contracts::event::EventType;
use contracts::timestamp::Timestamp;
use domain::pending::Publication;
use platform::clock::SystemClock;
use serde::Serialize;

use crate::commands::ops::listing::{Columns, ListingOptions};
use crate::commands::ops::printing::{ago, from_now, parse_age, timestamp};
use crate::commands::ops::target::AggregatesOptions;
use harness::progress::Progress;

#[derive(Args)]
pub(crate) struct Options {
    /// Only events that have been pending for at least this time, such as 90s, 10m, 2h or 3d.
    #[arg(long, value_parser = parse_age, default_value = "0s", value_name = "AGE")]
    older_than: Duration,
    #[command(flatten)]
    listing: ListingOptions,
    #[command(flatten)]
    aggregates: AggregatesOptions,
}

const COLUMNS: Columns<ListedEvent, 8> = Columns {
    nothing: "no pending events found",
    head: ["AGGREGATE", "EVENT", "TYPE", "AGE", "PUBLICATION", "FAILURES", "COPIES", "DUE"],
    row: |event, now| {
        [
            event.aggregate.to_string(),
            event.event_id.to_string(),
            event.event_type.map_or("newer", EventType::as_str).to_owned(),
            ago(event.entry.since, now),
            name_of(event.entry.publication).to_owned(),
            event.entry.failures.to_string(),
            event.entry.copies.to_string(),
            from_now(event.entry.due, now),
        ]
    },
    first: "oldest",
};

/// The name of a publication's state.
pub(super) const fn name_of(publication: Publication) -> &'static str {
    match publication {
        Publication::Unsent => "unsent",
        Publication::Sent => "sent",
        Publication::Found => "found",
    }
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let store = options.aggregates.open().await?;
    let list = ListPending {
        index: store.aggregates(),
        aggregates: store.aggregates(),
        clock: SystemClock,
    };
    let progress = Progress::new();
    progress.step("reading the indexes of pending events");
    let found = |found| progress.at(&format!("{found} found so far"));
    let listing = list.oldest(options.older_than, options.listing.limit, found).await;
    progress.finish();
    let listing = listing.with_context(|| options.aggregates.advice())?;
    options.listing.print::<_, Listed, _>(&listing, &COLUMNS)
}

/// An event in the array of `--json`.
#[derive(Serialize)]
struct Listed {
    aggregate: String,
    event_id: String,
    /// `None` if newer code raised it.
    event_type: Option<EventType>,
    since: Timestamp,
    /// The `transaction_id` of its latest publication.
    transaction_id: String,
    published_at: Timestamp,
    /// `unsent`: no half message of it was ever sent; `sent`: one may have been; `found`: it was
    /// found on its topic.
    publication: &'static str,
    /// The handlers with an effect outside the aggregate that are done with it.
    done_by: Vec<String>,
    failures: u32,
    copies: u32,
    /// When the sweep looks at it next.
    due: Timestamp,
    /// Since when the sweep has had no complete answer whether it is on its topic.
    unanswered_since: Option<Timestamp>,
}

impl From<&ListedEvent> for Listed {
    fn from(event: &ListedEvent) -> Self {
        let entry = &event.entry;
        Self {
            aggregate: event.aggregate.to_string(),
            event_id: event.event_id.to_string(),
            event_type: event.event_type,
            since: timestamp(entry.since),
            transaction_id: entry.transaction_id.to_string(),
            published_at: timestamp(entry.published_at),
            publication: name_of(entry.publication),
            done_by: entry.done_by.iter().cloned().collect(),
            failures: entry.failures,
            copies: entry.copies,
            due: timestamp(entry.due),
            unanswered_since: entry.unanswered_since.map(timestamp),
        }
    }
}
