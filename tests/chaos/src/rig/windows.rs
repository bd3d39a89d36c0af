//! The windows of scheduled functions, opened one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::ports::Clock;
use local_lambda::LambdaHost;
use platform::clock::SystemClock;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Crew, EVENT_CONSUMER, TRANSACTION_CHECK};

/// As in the template.
const CHECKER_SECONDS: u64 = 50;
/// As in the template.
const CONSUMER_SECONDS: u64 = 130;

/// After a window that failed: a function that cannot start would otherwise be started again
/// without a pause.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Keeps a number of windows of each scheduled function open. When one ends, or its process dies,
/// the next opens immediately.
pub struct Windows {
    host: LambdaHost,
    open: Mutex<BTreeMap<&'static str, JoinSet<()>>>,
    ends: Arc<Ends>,
}

/// How windows ended. Those that are abandoned, or still open at the end, are not seen.
#[derive(Default)]
struct Ends {
    /// The functions whose window was ended by its time-out, or by a process that ended itself. No
    /// window may end so, because the function's work is cut off.
    cut_off: Mutex<BTreeSet<&'static str>>,
    frozen: Mutex<BTreeMap<&'static str, Instant>>,
    /// Those in whose place a program runs that hangs.
    hanging: Mutex<BTreeSet<&'static str>>,
    /// When each window that failed had begun, in milliseconds since 1970, by function.
    errors: Mutex<BTreeMap<&'static str, Vec<i64>>>,
}

impl Ends {
    /// The window opened at `opened` was ended by its time-out.
    fn record(&self, function: &'static str, opened: Instant) {
        if locked(&self.hanging).contains(function) {
            return;
        }
        let frozen = locked(&self.frozen).get(function).copied();
        if frozen.is_none_or(|frozen| frozen < opened) {
            locked(&self.cut_off).insert(function);
        }
    }
}

impl Windows {
    pub(super) fn open(host: &LambdaHost, crew: Crew) -> Self {
        let (open, ends) = (Mutex::default(), Arc::default());
        let windows = Self { host: host.clone(), open, ends };
        windows.keep(TRANSACTION_CHECK, crew.checkers);
        windows.keep(EVENT_CONSUMER, crew.consumers);
        windows
    }

    /// From now on keeps `count` windows of a function open. Windows that are open now are
    /// abandoned by their caller, and end by themselves.
    pub fn keep(&self, function: &'static str, count: usize) {
        let seconds = if function == EVENT_CONSUMER { CONSUMER_SECONDS } else { CHECKER_SECONDS };
        let mut kept = JoinSet::new();
        for _ in 0..count {
            kept.spawn(run(self.host.clone(), function, seconds, Arc::clone(&self.ends)));
        }
        self.sets().insert(function, kept);
    }

    /// A process of the function is frozen now, so the open windows may last too long.
    pub fn record_freeze(&self, function: &'static str) {
        locked(&self.ends.frozen).insert(function, Instant::now());
    }

    /// A program that hangs runs in the function's place from now on, so its windows last too long.
    pub fn record_hang(&self, function: &'static str) {
        locked(&self.ends.hanging).insert(function);
    }

    /// The function runs again, and none of the windows that hung is open.
    pub fn record_return(&self, function: &'static str) {
        locked(&self.ends.hanging).remove(function);
    }

    /// When each of a function's windows that failed had begun, in milliseconds since 1970: Lambda
    /// counts an error in its metric `Errors` at the time of the invocation.
    #[must_use]
    pub fn errors(&self, function: &str) -> Vec<i64> {
        locked(&self.ends.errors).get(function).cloned().unwrap_or_default()
    }

    /// The functions whose window was cut off: by its time-out without a freeze or a hang, or by
    /// the end of its process without a signal.
    #[must_use]
    pub fn overrun(&self) -> Vec<String> {
        locked(&self.ends.cut_off).iter().map(|name| (*name).to_owned()).collect()
    }

    pub fn close(&self) {
        self.sets().clear();
    }

    fn sets(&self) -> MutexGuard<'_, BTreeMap<&'static str, JoinSet<()>>> {
        locked(&self.open)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(host: LambdaHost, function: &'static str, seconds: u64, ends: Arc<Ends>) {
    let event = json!({"window_seconds": seconds}).to_string();
    loop {
        let (opened, opened_ms) = (Instant::now(), SystemClock.now().as_millis());
        match host.invoke(function, event.clone()).await {
            Ok(result) if result.function_error.is_none() => {}
            Ok(result) => {
                locked(&ends.errors).entry(function).or_default().push(opened_ms);
                if result.is_timed_out() {
                    ends.record(function, opened);
                } else if result.is_crash() {
                    locked(&ends.cut_off).insert(function);
                }
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
            // The host has stopped.
            Err(_) => return,
        }
    }
}
