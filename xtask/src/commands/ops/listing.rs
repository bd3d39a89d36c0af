//! The common part of commands that list items.

use std::process::ExitCode;

use application::operations::listing::Listing;
use application::ports::Clock;
use clap::Args;
use domain::timestamp::Timestamp;
use platform::clock::SystemClock;
use serde::Serialize;

use super::printing::print_table;

#[derive(Args)]
pub(super) struct ListingOptions {
    /// Lists at most this many.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(super) limit: usize,
    /// Prints one JSON array.
    #[arg(long)]
    json: bool,
}

/// The table of a listing.
pub(super) struct Columns<Item, const COLUMNS: usize> {
    /// Printed instead of an empty table.
    pub(super) nothing: &'static str,
    pub(super) head: [&'static str; COLUMNS],
    /// An item's cells at the given time.
    pub(super) row: fn(&Item, Timestamp) -> [String; COLUMNS],
    /// The order: newest or oldest.
    pub(super) first: &'static str,
}

impl ListingOptions {
    /// Prints a listing, as a table or as a JSON array of `Object`s.
    pub(super) fn print<'a, Item, Object, const COLUMNS: usize>(
        &self,
        listing: &'a Listing<Item>,
        columns: &Columns<Item, COLUMNS>,
    ) -> anyhow::Result<ExitCode>
    where
        Object: From<&'a Item> + Serialize,
    {
        if self.json {
            let objects: Vec<_> = listing.items.iter().map(Object::from).collect();
            println!("{}", serde_json::to_string_pretty(&objects)?);
        } else {
            print(listing, columns);
        }
        if listing.unreadable > 0 {
            eprintln!("{} more records could not be read; see the lines above", listing.unreadable);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print<Item, const COLUMNS: usize>(listing: &Listing<Item>, columns: &Columns<Item, COLUMNS>) {
    if listing.items.is_empty() {
        println!("{}", columns.nothing);
        return;
    }
    let now = SystemClock.now();
    let rows = listing.items.iter().map(|item| (columns.row)(item, now)).collect();
    print_table(columns.head, rows);
    let shown = listing.items.len();
    if u64::try_from(shown).is_ok_and(|shown| shown < listing.found) {
        eprintln!("the {} {shown} of {}; --limit shows more", columns.first, listing.found);
    }
}
