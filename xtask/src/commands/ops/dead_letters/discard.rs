use std::process::ExitCode;

use anyhow::Context;
use application::operations::discard_dead_letter::DiscardDeadLetter;
use application::outcome::chain;
use application::ports::DeadLetterSummary;
use application::ports::{DeadLetter, DeadLetterId, DeadLetterReader};
use clap::Args;

use super::letters_on;
use crate::commands::ops::UNCONFIRMED;
use crate::commands::ops::printing::in_short;
use crate::commands::ops::target::RedriveOptions;

#[derive(Args)]
pub(crate) struct Options {
    /// The letters' ids.
    #[arg(required = true, value_parser = DeadLetterId::parse)]
    ids: Vec<DeadLetterId>,
    /// Discards them. Without this, the command only prints what would be lost.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    tables: RedriveOptions,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let (letters, aggregates) = options.tables.open().await?;
    let discard = DiscardDeadLetter {
        letters: letters_on(letters, &aggregates),
        aggregates: aggregates.aggregates(),
    };
    if !options.yes {
        for id in &options.ids {
            let found = discard.letters.find(id).await.with_context(|| options.tables.advice())?;
            match found {
                Some(letter) => println!("{id}: {}", loss(letter)),
                None => println!("{id}: this dead letter does not exist"),
            }
        }
        eprintln!("nothing was discarded; add --yes to discard for good");
        return Ok(ExitCode::from(UNCONFIRMED));
    }
    let mut done = 0;
    for id in &options.ids {
        match discard.discard(id).await {
            Ok(letter) => {
                done += 1;
                println!("{id} discarded: {}", loss(letter));
            }
            Err(error) => eprintln!("{id} not discarded: {}", chain(&error)),
        }
    }
    Ok(if done == options.ids.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The work that is never done once a letter is discarded.
fn loss(letter: DeadLetter) -> String {
    let letter = DeadLetterSummary::from(letter);
    let what = match (&letter.event_type, &letter.subject) {
        (Some(event_type), Some(subject)) => {
            format!("{event_type} of {subject}")
        }
        _ => format!("a message of {} bytes that could not be decoded", letter.body_bytes),
    };
    match &letter.handler {
        Some(handler) => {
            let handler = in_short(handler, 40);
            format!("{what} is never handled by {handler}, nor by the handlers after it")
        }
        None => format!("{what} is never handled"),
    }
}
