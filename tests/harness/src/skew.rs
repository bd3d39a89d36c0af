//! Wrong clocks: a library that is loaded before a program's own and moves the program's wall
//! clock. Its monotonic clock does not change.
//!
//! Libfaketime can do the same, but would have to be installed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::preload;

/// The variable with the offset in milliseconds.
const VARIABLE: &str = "CLOCK_OFFSET_MS";

/// The offset of a process's wall clock, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offset(i64);

impl Offset {
    /// The offset of a process with these variables.
    pub(crate) fn of(variables: &BTreeMap<String, String>) -> Self {
        Self(variables.get(VARIABLE).and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    /// The process's wall clock at this time since the Unix epoch.
    pub(crate) fn applied_to(self, since_epoch: Duration) -> Duration {
        let offset = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { since_epoch.saturating_sub(offset) } else { since_epoch + offset }
    }
}

const SOURCE: &str = include_str!("preload/clock.c");

/// The variables that move a program's wall clock by an offset in milliseconds.
///
/// # Errors
/// When the C compiler is missing or fails.
pub async fn environment(
    target: &Path,
    offset_ms: i64,
) -> anyhow::Result<BTreeMap<String, String>> {
    let library = preload::library(target, "clock", SOURCE).await?;
    Ok(BTreeMap::from([
        ("LD_PRELOAD".to_owned(), library.display().to_string()),
        (VARIABLE.to_owned(), offset_ms.to_string()),
    ]))
}

#[cfg(test)]
mod tests {
    use tokio::process::Command;

    use super::environment;
    use crate::wall_clock;

    #[tokio::test]
    async fn a_program_sees_the_time_of_its_moved_clock() {
        let target = tempfile::tempdir().unwrap();
        for offset in [-3_600_000, 400] {
            let environment = environment(target.path(), offset).await.unwrap();
            let output = Command::new("date").arg("+%s%3N").envs(environment).output().await;
            let text = String::from_utf8(output.unwrap().stdout).unwrap();
            let shown: i64 = text.trim().parse().unwrap();
            let now = wall_clock::since_epoch().as_millis();
            let off = i64::try_from(now).unwrap() + offset - shown;
            assert!(off.abs() < 30_000, "{off} ms");
        }
    }
}
