use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::failure::failure_chain;

/// One flat JSON object per line. The fields that an operator searches for (`request_id`,
/// `order_id`) are at the top level under the same name, whether a span or the event has them. The
/// library's own format nests the fields of spans in a list.
pub(super) struct JsonLines;

impl<Spans> FormatEvent<Spans, JsonFields> for JsonLines
where
    Spans: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, Spans, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut line = Line::default();
        line.add("timestamp", timestamp.into());
        line.add("level", event.metadata().level().as_str().into());
        line.add("target", event.metadata().target().into());
        line.add("message", fields.message.into());
        // The innermost value of a field wins: first the event's, then its spans' from inside out.
        line.add_all(fields.others);
        for span in context.event_scope().into_iter().flatten() {
            if let Some(recorded) = span.extensions().get::<FormattedFields<JsonFields>>() {
                line.add_all(serde_json::from_str(&recorded.fields).unwrap_or_default());
            }
        }
        writeln!(writer, "{{{}}}", line.finish())
    }
}

/// The longest line. A line may contain a client's input. `CloudWatch` splits a line that is too
/// long into two events, neither of which is JSON.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// The longest value in a line, as JSON.
const VALUE_BYTES_MAX: usize = 2 * 1024;

/// The last field of a line in which a field is missing or shortened.
const CUT: &str = r#","cut":true"#;

/// A line's fields as JSON, each name once.
#[derive(Default)]
struct Line {
    text: String,
    names: BTreeSet<String>,
    is_cut: bool,
}

impl Line {
    fn add_all(&mut self, fields: Map<String, Value>) {
        for (name, value) in fields {
            self.add(&name, value);
        }
    }

    fn add(&mut self, name: &str, value: Value) {
        if self.names.contains(name) {
            return;
        }
        // `Value`'s Display is JSON with every control character escaped, so no value can end the
        // line and begin a forged one.
        let separator = if self.text.is_empty() { "" } else { "," };
        let field = format!("{separator}{}:{}", Value::from(name), self.rendered(value));
        if self.text.len() + field.len() + CUT.len() + 2 > LINE_BYTES_MAX {
            self.is_cut = true;
            return;
        }
        self.text.push_str(&field);
        self.names.insert(name.to_owned());
    }

    /// A value as JSON. A text that is too long is cut off; another value that is too long becomes
    /// `null`.
    fn rendered(&mut self, value: Value) -> String {
        let whole = value.to_string();
        if whole.len() <= VALUE_BYTES_MAX {
            return whole;
        }
        self.is_cut = true;
        let Value::String(mut text) = value else { return "null".to_owned() };
        let mut kept = VALUE_BYTES_MAX;
        loop {
            text.truncate(text.floor_char_boundary(kept));
            let cut = Value::String(format!("{text}…")).to_string();
            if cut.len() <= VALUE_BYTES_MAX {
                return cut;
            }
            // An escape takes up to six bytes.
            kept /= 2;
        }
    }

    fn finish(mut self) -> String {
        if self.is_cut {
            self.text.push_str(CUT);
        }
        self.text
    }
}

/// An event's message and its other fields.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        // Rust's prefix of a raw identifier is not part of the name.
        let name = field.name().trim_start_matches("r#");
        self.others.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.add(field, value);
        }
    }

    /// Adds an error with all its causes, because our errors don't repeat their sources.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, failure_chain(value).to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.message = value;
        } else {
            self.add(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .with_writer(lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_the_event_and_of_its_spans_at_the_top_level() {
        let lines = logged(|| {
            let request =
                tracing::info_span!("request", request_id = "r1", order_id = tracing::field::Empty);
            let _in_request = request.enter();
            request.record("order_id", "o1");
            let step = tracing::info_span!("step", attempt = 1, request_id = "inner");
            let _in_step = step.enter();
            tracing::warn!(attempt = 2, late = true, order = %"x", "hello {}", "you");
        });
        let line = &lines[0];
        assert_eq!(line["message"], "hello you");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["request_id"], "inner");
        assert_eq!(line["order_id"], "o1");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["late"], true);
        assert_eq!(line["order"], "x");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_value_cannot_forge_a_line_or_one_of_its_own_fields() {
        let lines = logged(|| {
            tracing::info!(
                user = "a\r\n{\"level\":\"ERROR\"}",
                level = "forged",
                "first \" \n second"
            );
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["user"], "a\r\n{\"level\":\"ERROR\"}");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "first \" \n second");
    }

    #[test]
    fn a_line_is_at_most_8_kib_long() {
        let lines = logged(|| {
            let long = "é".repeat(2_000_000);
            let escaped = "\u{1}".repeat(100_000);
            let span = tracing::info_span!("a", one = long, other = escaped, order_id = "o1");
            let _in_span = span.enter();
            tracing::error!(a = long, b = long, c = long, d = long, e = long, "{escaped}");
        });
        let line = &lines[0];
        assert!(line.to_string().len() < LINE_BYTES_MAX, "{line}");
        assert!(line["a"].as_str().unwrap().starts_with('é'));
        assert_eq!((&line["cut"], &line["order_id"]), (&true.into(), &"o1".into()));
        assert_eq!(logged(|| tracing::info!("short"))[0].get("cut"), None);
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let cause = io::Error::other("connection reset");
        let failure = application::outcome::Failure::new(
            application::outcome::FailureClass::Unavailable,
            cause,
        );
        let lines = logged(|| {
            tracing::warn!(error = &failure as &dyn Error, "the table can't be read");
            tracing::warn!(error = Some(&failure as &dyn Error), "the table still can't be read");
            tracing::warn!(error = None::<&dyn Error>, "all is well");
        });
        for line in &lines[..2] {
            assert_eq!(line["error"], "the service is unavailable: connection reset");
        }
        assert_eq!(lines[2].get("error"), None);
    }
}
