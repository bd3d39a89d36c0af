//! The functions' output: searched for secrets at the end of a run, and kept if the run failed.

use std::path::{Path, PathBuf};

use harness::provision::{DEMO_EMAIL, DEMO_PASSWORD, signing_key_file};
use harness::system::System;
use platform::metrics::DIMENSION;
use serde_json::Value;

/// No line may hold these or the private part of the signing key: the demo user's e-mail address
/// and password, any password hash, and the beginning of any JWT that we sign, which is base64url
/// of `{"typ":"`.
const CANARIES: [&str; 4] = [DEMO_EMAIL, DEMO_PASSWORD, "argon2id", "eyJ0eXAiOi"];

/// Keeps the functions' log when it is dropped, unless the run succeeded.
pub(super) struct LogKeeper {
    from: PathBuf,
    to: PathBuf,
    signing_key: PathBuf,
    ended_well: bool,
}

impl LogKeeper {
    pub(super) fn new(system: &System, target: PathBuf) -> Self {
        let name = format!("{}.log", system.names.stack_name);
        Self {
            from: system.endpoints.data.join("functions.log"),
            to: target.join("chaos").join(name),
            signing_key: signing_key_file(&system.endpoints.data),
            ended_well: false,
        }
    }

    pub(super) fn longest_line(&self) -> anyhow::Result<u64> {
        let log = std::fs::read(&self.from)?;
        let longest = log.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
        Ok(u64::try_from(longest.unwrap_or_default())?)
    }

    pub(super) fn metric(&self, name: &str) -> anyhow::Result<Option<f64>> {
        let mut highest: Option<f64> = None;
        for document in self.metric_documents()? {
            for value in values_of(&document, name) {
                highest = Some(highest.map_or(value, |highest| highest.max(value)));
            }
        }
        Ok(highest)
    }

    /// The values that a function has written, each with the time at which it was written.
    pub(super) fn samples(&self, function: &str, name: &str) -> anyhow::Result<Vec<(i64, f64)>> {
        let mut samples = Vec::new();
        for document in self.metric_documents()? {
            if document.get(DIMENSION).and_then(Value::as_str) != Some(function) {
                continue;
            }
            let written_at = document.pointer("/_aws/Timestamp").and_then(Value::as_i64);
            let written_at = written_at.unwrap_or_default();
            samples.extend(values_of(&document, name).map(|value| (written_at, value)));
        }
        Ok(samples)
    }

    /// The documents of the embedded metric format.
    fn metric_documents(&self) -> anyhow::Result<Vec<Value>> {
        let log = std::fs::read(&self.from)?;
        let log = String::from_utf8_lossy(&log);
        let documents = log.lines().filter(|line| line.contains("\"_aws\""));
        Ok(documents.map(|line| serde_json::from_str(line).unwrap_or_default()).collect())
    }

    pub(super) fn lines_with(&self, text: &str) -> anyhow::Result<usize> {
        let log = std::fs::read(&self.from)?;
        Ok(String::from_utf8_lossy(&log).lines().filter(|line| line.contains(text)).count())
    }

    /// For a run that succeeded: its log is not kept.
    ///
    /// # Panics
    /// When the log holds a secret.
    pub(super) fn forget(&mut self) {
        let hits = leaks(&self.from, &self.signing_key);
        assert!(matches!(hits, Ok(0)), "{hits:?} lines of the functions' log hold a secret");
        self.ended_well = true;
    }
}

/// A count is one value; a distribution is several.
fn values_of(document: &Value, name: &str) -> impl Iterator<Item = f64> {
    let values = match document.get(name) {
        Some(Value::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter().filter_map(Value::as_f64)
}

/// Lines that hold a canary or the private part of the signing key.
fn leaks(log: &Path, signing_key: &Path) -> std::io::Result<usize> {
    let jwk: Value = serde_json::from_slice(&std::fs::read(signing_key)?)?;
    let private = jwk.get("d").and_then(Value::as_str).unwrap_or_default();
    let log = std::fs::read(log)?;
    Ok(String::from_utf8_lossy(&log).lines().filter(|line| holds_secret(line, private)).count())
}

fn holds_secret(line: &str, private: &str) -> bool {
    CANARIES.iter().any(|canary| line.contains(canary))
        || (!private.is_empty() && line.contains(private))
}

impl Drop for LogKeeper {
    fn drop(&mut self) {
        if self.ended_well {
            return;
        }
        let kept = self.to.parent().map_or(Ok(()), std::fs::create_dir_all);
        match kept.and_then(|()| std::fs::copy(&self.from, &self.to)) {
            Ok(_) => tracing::error!(log = %self.to.display(), "the functions' log is kept"),
            Err(error) => tracing::error!(%error, "the functions' log is lost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DEMO_PASSWORD, holds_secret};

    #[test]
    fn a_secret_in_a_line_is_found() {
        let private = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        for line in [
            format!("{{\"password\":\"{DEMO_PASSWORD}\"}}"),
            "Bearer eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.e30.c2ln".to_owned(),
            format!("the key is {private}."),
        ] {
            assert!(holds_secret(&line, private), "{line}");
        }
        assert!(!holds_secret("{\"message\":\"logged in\",\"user_id\":123}", private));
    }
}
