//! The files in events/ with values of a running system: tokens, and an existing order.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::sam::Sam;
use super::sample::Sample;
use super::stage::Stage;

/// In the order of their invocation, with the expected status. Earlier answers contain values for
/// later samples, a session that ends is followed by a new one, and the deletion of an account
/// comes last.
const EXPECTED: &[(&str, Option<u64>)] = &[
    ("user-login", Some(200)),
    ("user-login-token", Some(200)),
    ("user-login-logout", Some(204)),
    ("user-login", Some(200)),
    ("create-order", Some(201)),
    ("get-order", Some(200)),
    ("get-order-list", Some(200)),
    ("get-order-products", Some(200)),
    ("cancel-order", Some(200)),
    ("event-consumer", None),
    ("transaction-check", None),
    // The template's defaults serve no documentation.
    ("api-docs", Some(404)),
    ("api-docs-file", Some(404)),
    ("health", Some(200)),
    ("health-ready", Some(200)),
    ("health-default", Some(404)),
    ("register-user", Some(201)),
    ("user-account-public-keys", Some(200)),
    ("user-account", Some(200)),
    ("user-account-activity", Some(200)),
    // The template's defaults name no sender of mails.
    ("user-account-email-confirmation", Some(501)),
    ("user-account-email", Some(501)),
    ("user-account-confirm-email", Some(501)),
    ("user-account-ask-to-reset", Some(501)),
    ("user-account-reset", Some(501)),
    ("user-account-password", Some(204)),
    ("user-account-delete", Some(204)),
];

/// Values for the samples, by their placeholders.
#[derive(Default)]
struct Answers(Vec<(&'static str, String)>);

impl Answers {
    /// The members of answers that contain the values, with their placeholders.
    const MEMBERS: [(&'static str, &'static str); 3] = [
        ("access_token", "PASTE-AN-ACCESS-TOKEN"),
        ("refresh_token", "PASTE-A-REFRESH-TOKEN"),
        // The order id in the sample of get-order.
        ("order_id", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ];

    /// Adds the values of an answer. A refresh token is valid once, so the newest value comes
    /// first.
    fn learn(&mut self, answer: &Value) {
        let Some(body) = answer.get("body").and_then(Value::as_str) else { return };
        let Ok(body) = serde_json::from_str::<Value>(body) else { return };
        for (member, placeholder) in Self::MEMBERS {
            if let Some(value) = body.get(member).and_then(Value::as_str) {
                self.0.insert(0, (placeholder, value.to_owned()));
            }
        }
    }

    fn fill(&self, sample: &str) -> String {
        self.0
            .iter()
            .fold(sample.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }
}

/// Invokes each function with each of its samples.
pub(super) async fn invoke_all(sam: &Sam<'_>, root: &Path) -> anyhow::Result<()> {
    let mut answers = Answers::default();
    for (name, status) in EXPECTED {
        let sample = sample(sam.stage(), root, name, *status)?;
        let text = fs::read_to_string(&sample.file)?;
        let file = sam.stage().folder.join("event.json");
        fs::write(&file, answers.fill(&text))?;
        let answer = sam.invoke(&sample, &file).await;
        answers.learn(&answer.with_context(|| format!("sam local invoke {sample}"))?);
    }
    Ok(())
}

/// With its only sample; the function runs on a schedule.
pub(super) async fn invoke_one(sam: &Sam<'_>, root: &Path, name: &str) -> anyhow::Result<Value> {
    let sample = sample(sam.stage(), root, name, None)?;
    sam.invoke(&sample, &sample.file).await
}

/// The sample in the file `name` of events/. The file's name begins with the function's.
fn sample(stage: &Stage, root: &Path, name: &str, status: Option<u64>) -> anyhow::Result<Sample> {
    let function = stage
        .functions
        .iter()
        .filter(|function| name.starts_with(&function.name))
        .max_by_key(|function| function.name.len())
        .with_context(|| format!("no function belongs to the sample {name}"))?
        .clone();
    Ok(Sample { function, file: root.join("events").join(format!("{name}.json")), status })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Answers, EXPECTED};

    #[test]
    fn every_file_of_events_has_an_expected_answer() {
        let events = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
        for entry in std::fs::read_dir(events).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(EXPECTED.iter().any(|(expected, _)| *expected == name), "{name}");
        }
    }

    #[test]
    fn the_newest_token_is_inserted() {
        let mut answers = Answers::default();
        for token in ["first", "second"] {
            let body = json!({"refresh_token": token}).to_string();
            answers.learn(&json!({"statusCode": 200, "body": body}));
        }
        let filled = answers.fill(r#"{"refresh_token": "PASTE-A-REFRESH-TOKEN", "order_id": "x"}"#);
        assert_eq!(filled, r#"{"refresh_token": "second", "order_id": "x"}"#);
    }
}
