//! Wrong clocks: a library that is loaded before a program's own and moves the program's wall
//! clock. Its monotonic clock does not change.
//!
//! Libfaketime can do the same, but would have to be installed.

use std::collections::BTreeMap;
use std::path::Path;

use crate::preload;

const VARIABLE: &str = "CLOCK_OFFSET_MS";

/// The offset in milliseconds of the wall clock of a process with these variables.
pub(crate) fn offset_ms(variables: &BTreeMap<String, String>) -> i64 {
    variables.get(VARIABLE).and_then(|text| text.parse().ok()).unwrap_or_default()
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
    use application::ports::Clock;
    use platform::clock::SystemClock;
    use tokio::process::Command;

    use super::{environment, offset_ms};

    #[tokio::test]
    async fn a_program_sees_the_time_of_its_moved_clock() {
        let target = tempfile::tempdir().unwrap();
        for offset in [-3_600_000, 400] {
            let environment = environment(target.path(), offset).await.unwrap();
            assert_eq!(offset_ms(&environment), offset);
            let output = Command::new("date").arg("+%s%3N").envs(environment).output().await;
            let text = String::from_utf8(output.unwrap().stdout).unwrap();
            let shown: i64 = text.trim().parse().unwrap();
            let off = SystemClock.now().as_millis() + offset - shown;
            assert!(off.abs() < 30_000, "{off} ms");
        }
    }
}
