//! Progress on standard error: a spinner for a person, a line each for a log.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// What is being done now, and for how long.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    for_a_person: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let for_a_person = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, target(for_a_person));
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        if for_a_person {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, started: Instant::now(), for_a_person }
    }

    /// Says what is done from now on.
    pub(crate) fn step(&self, what: &str) {
        self.bar.reset_elapsed();
        self.bar.set_message(what.to_owned());
        if !self.for_a_person {
            eprintln!("[{:5.1} s] {what}", self.started.elapsed().as_secs_f64());
        }
    }

    /// Says how far it has come, to a person.
    pub(crate) fn at(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Takes the spinner away, so that others may write.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn target(for_a_person: bool) -> ProgressDrawTarget {
    if for_a_person { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
