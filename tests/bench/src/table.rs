//! The embedded table in its own process.
//!
//! The table serves one request after another and keeps a processor busy. In this program's process
//! it would share threads with the floor's calls but not with the functions', so the two could not
//! be compared.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use harness::table::EmbeddedTable;
use local_lambda::{Child, Children};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Starts [`serve`].
pub(crate) const SUBCOMMAND: &str = "table";

const START_LIMIT: Duration = Duration::from_secs(10);

/// A new table. Its process ends when this is dropped.
pub(crate) struct TableProcess {
    pub(crate) url: String,
    _process: Child,
}

impl TableProcess {
    pub(crate) async fn start(children: &Children) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program is unknown")?;
        let mut command = Command::new(program);
        command.arg(SUBCOMMAND).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = children.spawn(&mut command).context("cannot start the table")?;
        let output = process.inner_mut().stdout.take().context("the table has no output")?;
        let mut lines = BufReader::new(output).lines();
        let line = tokio::time::timeout(START_LIMIT, lines.next_line()).await;
        let url = line.context("the table did not start in time")??.context("the table ended")?;
        Ok(Self { url, _process: process })
    }
}

/// Serves a table in memory until the process is killed. The first line of its output is the
/// endpoint.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let table = EmbeddedTable::start(0, None).await?;
    println!("{}", table.url());
    std::future::pending().await
}
