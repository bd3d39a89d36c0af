//! Progress on standard error: a spinner on a terminal; in a log a line for each step, and one now
//! and then for how far it is.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a log stays silent about how far a step is.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Progress {
    /// `None` when standard error is not a terminal.
    bar: Option<ProgressBar>,
    started: Instant,
    printed: LastLine,
}

/// When the last line was printed. Clones share it.
#[derive(Debug, Clone)]
struct LastLine(Arc<Mutex<Instant>>);

impl LastLine {
    fn at(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    fn set(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether it is so long ago that another line may follow at `now`, which then is the last one.
    fn may_follow(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = now.saturating_duration_since(*last) >= SILENCE;
        if may {
            *last = now;
        }
        may
    }
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
        let started = Instant::now();
        Self { bar, started, printed: LastLine::at(started) }
    }

    /// Prints a first step on its own line, for a build that shows its own progress on the same
    /// stream.
    pub fn first(&self, what: &str) {
        self.print(what);
    }

    #[expect(clippy::print_stderr, reason = "a program's progress goes there")]
    fn print(&self, what: &str) {
        self.printed.set(Instant::now());
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
            None => self.print(what),
        }
    }

    /// Says how far a step is: on a terminal always, in a log at most every ten seconds.
    pub fn at(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None if self.printed.may_follow(Instant::now()) => self.print(what),
            None => {}
        }
    }

    /// Removes the spinner, so that other output may follow.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gets_at_most_one_line_in_ten_seconds() {
        let started = Instant::now();
        let after = |seconds| started + Duration::from_secs(seconds);
        let last = LastLine::at(started);
        let shared = last.clone();
        let printed: Vec<u64> =
            (1..=35).filter(|second| shared.may_follow(after(*second))).collect();
        assert_eq!(printed, [10, 20, 30]);
        // A step's own line counts.
        last.set(after(36));
        assert!(!shared.may_follow(after(45)));
        assert!(shared.may_follow(after(46)));
        // Several tasks report, and their moments may be out of order.
        assert!(!shared.may_follow(after(40)));
    }
}
