//! Progress on standard error: a spinner on a terminal, a line for each step in a log.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

#[derive(Debug, Clone)]
pub struct Progress {
    /// `None` when standard error is not a terminal.
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Progress {
    #[expect(clippy::new_without_default, reason = "it starts a clock and a spinner")]
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, started: Instant::now() }
    }

    /// Prints a first step on its own line, for a build that shows its own progress on the same
    /// stream.
    #[expect(clippy::print_stderr, reason = "a program's progress goes there")]
    pub fn first(&self, what: &str) {
        eprintln!("[{:5.1} s] {what}", self.started.elapsed().as_secs_f64());
    }

    pub fn step(&self, what: &str) {
        match &self.bar {
            Some(bar) => {
                if bar.is_hidden() {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                }
                bar.reset_elapsed();
                bar.set_message(what.to_owned());
            }
            None => self.first(what),
        }
    }

    /// Shown on a terminal only.
    pub fn at(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Removes the spinner, so that other output may follow.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
