use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

/// What happened, in order. Clones write on.
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
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        let mut trace = self.0.lock().unwrap();
        let at = trace.started.elapsed().as_secs_f64();
        trace.lines.push(format!("{at:9.3} s  {}", line()));
    }

    /// The lines, each with the time since the beginning.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.clone()
    }

    /// A number that is the same for the same run.
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
