use std::process::ExitCode;

use anyhow::Context;
use application::operations::redrive::{ExamineDeadLetter, Examined, RedriveError, RedrivePlan};
use application::outcome::chain;
use application::ports::DeadLetterSummary;
use application::ports::{Clock, DeadLetter, DeadLetterId};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use dynamodb::DynamoDeadLetters;
use platform::clock::SystemClock;
use serde::Serialize;

use super::list::Listed;
use crate::commands::ops::printing::{ago, printable, timestamp};
use crate::commands::ops::target::RedriveOptions;

#[derive(Args)]
pub(crate) struct Options {
    /// The letter's id: the event's, or the message's if the event could not be read.
    #[arg(value_parser = DeadLetterId::parse)]
    id: DeadLetterId,
    /// Prints one JSON object; a body that is not text is in base64.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tables: RedriveOptions,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let (store, aggregates) = options.tables.open().await?;
    let examine = ExamineDeadLetter {
        letters: DynamoDeadLetters::new(store.client, store.letters),
        aggregates: aggregates.aggregates(),
    };
    let Examined { letter, plan } = match examine.examine(&options.id).await {
        Ok(examined) => examined,
        Err(RedriveError::NotFound) => anyhow::bail!(
            "the dead letter {} does not exist; `list` prints the ids of all letters",
            options.id
        ),
        Err(error) => return Err(error).with_context(|| options.tables.advice()),
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&json(&letter, &plan))?);
    } else {
        print(&letter, &plan);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(letter: &DeadLetter, plan: &RedrivePlan) {
    let now = SystemClock.now();
    let summary = DeadLetterSummary::from(letter.clone());
    let line = |name: &str, value: String| println!("{name:<13} {}", printable(&value));
    line("id", summary.id.to_string());
    line("event", summary.event_id.map_or_else(|| "?".to_owned(), |id| id.to_string()));
    line("type", summary.event_type.clone().unwrap_or_else(|| "?".to_owned()));
    line("subject", summary.subject.unwrap_or_else(|| "?".to_owned()));
    line("message", summary.message_id.to_string());
    line("handler", summary.handler.unwrap_or_else(|| "none: it could not be decoded".to_owned()));
    line("reason", summary.reason);
    line("attempts", summary.attempts.to_string());
    let first_failed_at = summary.first_failed_at;
    line(
        "failed first",
        format!("{}, {} ago", timestamp(first_failed_at), ago(first_failed_at, now)),
    );
    let for_ever = || "it is redriven or discarded".to_owned();
    line("kept until", summary.expires_at.map_or_else(for_ever, |at| timestamp(at).to_string()));
    line(
        "redrive",
        match plan {
            RedrivePlan::Aggregate(key) => format!("possible: its event returns to {key}"),
            RedrivePlan::Topic => "possible with --namesrv: its event is from elsewhere, and is \
                               published unchanged"
                .to_owned(),
            RedrivePlan::Refused(error) => format!("refused: {}", chain(error)),
        },
    );
    let kept = letter.body.len();
    let cut_off =
        if letter.is_whole() { String::new() } else { format!(", the first {kept} follow") };
    line("body", format!("{} bytes{cut_off}", letter.body_bytes));
    println!();
    match std::str::from_utf8(&letter.body) {
        Ok(text) => println!("{}", printable(text)),
        Err(_) => println!("in base64, because it is not text:\n{}", base64(&letter.body)),
    }
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// A letter as `--json` prints it.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    summary: serde_json::Value,
    traceparent: Option<String>,
    /// How many bytes of the body are kept.
    body_kept_bytes: usize,
    /// The body, if it is text.
    body: Option<String>,
    /// The body, if it is not text.
    body_base64: Option<String>,
    redrivable: bool,
    /// Why the letter cannot be redriven.
    redrive_refused: Option<String>,
}

fn json(letter: &DeadLetter, plan: &RedrivePlan) -> Whole {
    let summary = DeadLetterSummary::from(letter.clone());
    let text = std::str::from_utf8(&letter.body).ok();
    Whole {
        summary: serde_json::to_value(Listed::from(&summary)).unwrap_or_default(),
        traceparent: letter.traceparent.clone(),
        body_kept_bytes: letter.body.len(),
        body: text.map(ToOwned::to_owned),
        body_base64: text.is_none().then(|| base64(&letter.body)),
        redrivable: !matches!(plan, RedrivePlan::Refused(_)),
        redrive_refused: match plan {
            RedrivePlan::Refused(error) => Some(chain(error)),
            RedrivePlan::Aggregate(_) | RedrivePlan::Topic => None,
        },
    }
}
