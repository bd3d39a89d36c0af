//! The progress of rows on standard error: a bar on a terminal, a line for each row in a log.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of rows that run concurrently and repeatedly: the part of the time or of the rows
/// that is done, the running rows, and the number of failures.
pub(crate) struct Rounds {
    /// `None` when standard error is not a terminal.
    bar: Option<ProgressBar>,
    limit: Option<Duration>,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<&'static str, &'static str>,
    done: u64,
    failed: u64,
}

impl Rounds {
    /// For rows that run until `limit` or, without a limit, for `rows` rows that run once.
    pub(crate) fn new(limit: Option<Duration>, rows: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let length = limit.map_or(rows as u64, |limit| limit.as_secs());
            let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {msg}");
            let bar = ProgressBar::new(length);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { bar, limit, started: Instant::now(), state: Mutex::default() }
    }

    pub(crate) fn begin(&self, id: &'static str, title: &'static str) {
        self.change(|state| {
            state.running.insert(id, title);
        });
        if self.bar.is_none() {
            eprintln!("[{:6.0} s] {id} begins: {title}", self.started.elapsed().as_secs_f64());
        }
    }

    pub(crate) fn end(&self, id: &'static str, holds: bool) {
        self.change(|state| {
            state.running.remove(id);
            state.done += 1;
            state.failed += u64::from(!holds);
        });
        if self.bar.is_none() {
            let result = if holds { "holds" } else { "FAILED" };
            eprintln!("[{:6.0} s] {id} {result}", self.started.elapsed().as_secs_f64());
        }
    }

    pub(crate) fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if let Some(bar) = &self.bar {
            bar.set_position(match self.limit {
                Some(_) => self.started.elapsed().as_secs(),
                None => state.done,
            });
            let running: Vec<_> = state.running.keys().copied().collect();
            let (done, failed) = (state.done, state.failed);
            bar.set_message(format!("{done} done, {failed} failed; now {}", running.join(", ")));
        }
    }
}
