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
pub(super) struct Columns<T, const N: usize> {
    /// Printed instead of an empty table.
    pub(super) nothing: &'static str,
    pub(super) head: [&'static str; N],
    /// An item's cells at the given time.
    pub(super) row: fn(&T, Timestamp) -> [String; N],
    /// The order: newest or oldest.
    pub(super) first: &'static str,
}

impl ListingOptions {
    /// Prints a listing, as a table or as a JSON array of `J`.
    pub(super) fn print<'a, T, J, const N: usize>(
        &self,
        listing: &'a Listing<T>,
        columns: &Columns<T, N>,
    ) -> anyhow::Result<ExitCode>
    where
        J: From<&'a T> + Serialize,
    {
        if self.json {
            let objects: Vec<_> = listing.items.iter().map(J::from).collect();
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

fn print<T, const N: usize>(listing: &Listing<T>, columns: &Columns<T, N>) {
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
