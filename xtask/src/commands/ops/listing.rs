//! What the commands that list have in common.

use std::process::ExitCode;

use application::listing::Listing;
use application::ports::Clock;
use clap::Args;
use domain::timestamp::Timestamp;
use platform::clock::SystemClock;
use serde::Serialize;

use super::printing::print_table;

#[derive(Args)]
pub(super) struct ListingOptions {
    /// How many at the most.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(super) limit: usize,
    /// One JSON array, for programs.
    #[arg(long)]
    json: bool,
}

/// How a listing is printed for a person.
pub(super) struct Columns<T, const N: usize> {
    /// Instead of a table without a line.
    pub(super) nothing: &'static str,
    pub(super) head: [&'static str; N],
    /// An item's cells, at this moment.
    pub(super) row: fn(&T, Timestamp) -> [String; N],
    /// Which come first: newest or oldest.
    pub(super) first: &'static str,
}

impl ListingOptions {
    /// Prints a listing, for a person or as an array of `J`.
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
