use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

/// The steps of a run, in order. Clones add to the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Lines>>);

struct Lines {
    started: Instant,
    lines: Vec<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Lines { started: Instant::now(), lines: Vec::new() })))
    }
}

impl Trace {
    pub(super) fn add(&self, line: impl FnOnce() -> String) {
        let mut trace = self.0.lock().unwrap();
        let at = trace.started.elapsed().as_secs_f64();
        trace.lines.push(format!("{at:9.3} s  {}", line()));
    }

    /// The lines, each with the simulated time since the start.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.clone()
    }

    /// A hash of all lines: equal runs have equal digests.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.lock().unwrap().lines.hash(&mut hasher);
        hasher.finish()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.digest()).finish()
    }
}
