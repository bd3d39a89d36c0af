//! A consumer that reads an answer by the client's own call, which inflates every body of it whole,
//! and that parses each body without a limit of its length.

use std::io::{self, Read, Write};
use std::process::Stdio;

use anyhow::Context;
use bytes::Bytes;
use harness::system::SystemOptions;
use harness::{checkout, memory};
use rocketmq_protocol::common::message::message_decoder::decodes_batch;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(super) const ARGUMENT: &str = "whole-bodies";

/// The most memory, in bytes, of a process that reads the body of an answer to `POP_MESSAGE` so.
///
/// # Errors
/// When the process cannot start, or fails.
pub async fn peak_of_whole_bodies(answer: &Bytes) -> anyhow::Result<u64> {
    let binaries = SystemOptions::isolated(&checkout::root()?)?.binaries;
    let mut reader = Command::new(binaries.join("control-function"));
    reader.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut reader = reader.spawn().context("the control does not start")?;
    let mut input = reader.stdin.take().context("the control has no input")?;
    input.write_all(answer).await?;
    drop(input);
    let output = reader.wait_with_output().await?;
    anyhow::ensure!(output.status.success(), "the control failed: {}", output.status);
    let printed = String::from_utf8(output.stdout)?;
    printed.trim().parse().with_context(|| format!("the control printed {printed:?}"))
}

/// Reads an answer from the standard input, and prints the most memory that this process has used.
pub(super) fn run() -> anyhow::Result<()> {
    let mut answer = Vec::new();
    io::stdin().lock().read_to_end(&mut answer)?;
    let read = decodes_batch(&mut answer.into(), true, true);
    for body in read.iter().filter_map(|message| message.body()) {
        // A body that is no JSON costs nothing more.
        drop(serde_json::from_slice::<serde_json::Value>(&body));
    }
    let peak = memory::peak(std::process::id()).context("the system reports no peak")?;
    Ok(writeln!(io::stdout(), "{peak}")?)
}
