//! The windows of scheduled functions, opened one after the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use harness::host::LambdaHost;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Crew, EVENT_CONSUMER, TRANSACTION_CHECK};

/// How long a checker's window lasts, as the template has it.
const CHECKER_SECONDS: u64 = 50;
/// How long a consumer's window lasts, as the template has it.
const CONSUMER_SECONDS: u64 = 130;

/// The pause after a window that failed, so that a function that cannot start is not started
/// without end.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Keeps a number of windows of each scheduled function open: when one ends, or its process dies,
/// the next opens at once.
pub struct Windows {
    host: LambdaHost,
    open: Mutex<BTreeMap<&'static str, JoinSet<()>>>,
}

impl Windows {
    pub(super) fn open(host: &LambdaHost, crew: Crew) -> Self {
        let windows = Self { host: host.clone(), open: Mutex::default() };
        windows.keep(TRANSACTION_CHECK, crew.checkers);
        windows.keep(EVENT_CONSUMER, crew.consumers);
        windows
    }

    /// From now on keeps `count` windows of a function open; those that are open now are left alone
    /// by their caller, and end by themselves.
    pub fn keep(&self, function: &'static str, count: usize) {
        let seconds = if function == EVENT_CONSUMER { CONSUMER_SECONDS } else { CHECKER_SECONDS };
        let mut kept = JoinSet::new();
        for _ in 0..count {
            kept.spawn(run(self.host.clone(), function, seconds));
        }
        self.sets().insert(function, kept);
    }

    /// Opens no further windows.
    pub fn close(&self) {
        self.sets().clear();
    }

    fn sets(&self) -> MutexGuard<'_, BTreeMap<&'static str, JoinSet<()>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(host: LambdaHost, function: &'static str, seconds: u64) {
    let event = json!({"window_seconds": seconds}).to_string();
    loop {
        match host.invoke(function, event.clone()).await {
            Ok(result) if result.function_error.is_none() => {}
            Ok(_) => tokio::time::sleep(PAUSE_AFTER_FAILURE).await,
            // The host has stopped.
            Err(_) => return,
        }
    }
}
