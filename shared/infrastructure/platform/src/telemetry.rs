//! Log lines: one JSON object a line on standard output, which Lambda hands to CloudWatch.

pub(crate) mod directives;
mod json_lines;

use std::panic::PanicHookInfo;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::failure_chain;
use crate::settings::Settings;
use json_lines::JsonLines;

/// Dependencies that say more at `info` than an operator wants to read, by the beginning of their
/// targets. `RUST_LOG` may name one of them to hear it again.
const NOISY_TARGETS: &[&str] = &[
    "aws_",
    "h2",
    "hyper",
    "lambda_http",
    "lambda_runtime",
    "rocketmq_model",
    "rocketmq_observability",
    "rocketmq_protocol",
    "rocketmq_runtime",
    "rocketmq_transport",
    "rustls",
    "tower",
];

/// A dependency that warns of everyday things, such as a route that it learns anew, twice a second
/// while a broker is away. What comes of them is told by the adapter that meets it.
const CHATTY_TARGET: &str = "rocketmq_client_rust";

/// Starts logging, and has panics logged too. To be called once, first thing in `main`; a second
/// call changes nothing.
///
/// `RUST_LOG` sets the level (`info` when it is not set) in the form of
/// [`tracing_subscriber::EnvFilter`]. Directives that are wrong are left out here, and told by
/// [`Settings::finish`] with all other settings that are. A line holds `timestamp` (RFC 3339, UTC),
/// `level`, `target`, `message`, the event's fields and those of every span around it, all in one
/// flat object.
pub fn start() {
    let rust_log = Settings::from_environment()
        .optional("RUST_LOG", |text| Ok::<_, String>(text.to_owned()))
        .unwrap_or_default();
    let lines = fmt::layer().fmt_fields(JsonFields::new()).event_format(JsonLines);
    let started =
        tracing_subscriber::registry().with(filter(&rust_log)).with(lines).try_init().is_ok();
    if started {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Logs a failure that stops the start, with all its causes, and passes it on.
///
/// # Errors
///
/// The failure that was given.
pub fn logged<T, E: std::error::Error + 'static>(result: Result<T, E>) -> Result<T, E> {
    result.inspect_err(|error| {
        tracing::error!(error = %failure_chain(error), "the function can't start");
    })
}

fn filter(rust_log: &str) -> EnvFilter {
    let noisy = NOISY_TARGETS.iter().map(|target| format!(",{target}=warn"));
    let quiet = format!("info{},{CHATTY_TARGET}=error", noisy.collect::<String>());
    // Of two directives for the same target the later counts.
    EnvFilter::builder().parse_lossy(format!("{quiet},{rust_log}"))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(
        location,
        reason = panic.payload_as_str().unwrap_or("no reason given"),
        "the program panicked"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_quiet_unless_they_are_asked_for() {
        let directives = |rust_log| filter(rust_log).to_string();
        let quiet = directives("");
        assert!(quiet.contains("hyper=warn") && quiet.contains("info"), "{quiet}");
        let asked = directives("debug,hyper=trace");
        assert!(asked.contains("hyper=trace") && !asked.contains("hyper=warn"), "{asked}");
        assert!(asked.contains("debug") && asked.contains("aws_=warn"), "{asked}");
    }
}
