//! The progress of rows on standard error: a bar for a person, a line each for a log.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of rows that run beside each other and again and again: how much of the time, or of
/// the rows, is done, what runs now, and what has failed so far.
pub(crate) struct Rounds {
    /// None when standard error is not a terminal.
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
    /// Rows that run until `limit`, or, without one, `rows` of them once.
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

    /// A row begins.
    pub(crate) fn begin(&self, id: &'static str, title: &'static str) {
        self.change(|state| {
            state.running.insert(id, title);
        });
        if self.bar.is_none() {
            eprintln!("[{:6.0} s] {id} begins: {title}", self.started.elapsed().as_secs_f64());
        }
    }

    /// A row has ended.
    pub(crate) fn end(&self, id: &'static str, well: bool) {
        self.change(|state| {
            state.running.remove(id);
            state.done += 1;
            state.failed += u64::from(!well);
        });
        if self.bar.is_none() {
            let how = if well { "holds" } else { "FAILED" };
            eprintln!("[{:6.0} s] {id} {how}", self.started.elapsed().as_secs_f64());
        }
    }

    /// Says something above the bar.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    /// Takes the bar away.
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
