//! Log lines: one JSON object per line on standard output, which Lambda sends to CloudWatch.

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

/// Dependencies that log more at `info` than an operator wants to read, by the beginning of their
/// targets. `RUST_LOG` may name one of them to show its lines again.
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

/// A dependency that warns about normal events, such as reading a route again, which it does twice
/// a second while a broker is unavailable. Our adapters log the failures that result.
const CHATTY_TARGET: &str = "rocketmq_client_rust";

/// Starts logging, also of panics. Call it once, at the start of `main`; a second call changes
/// nothing.
///
/// `RUST_LOG` sets the level (`info` when it is not set) in the form of
/// [`tracing_subscriber::EnvFilter`]. Wrong directives are ignored here; [`Settings::finish`]
/// reports them with all other faults. A line has `timestamp` (RFC 3339, UTC), `level`, `target`,
/// `message`, the event's fields and those of every span around it, all in one flat object.
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

/// Logs a failure that prevents the start, with all its causes, and returns it.
///
/// # Errors
///
/// The failure that was given.
pub fn logged<Value, Error: std::error::Error + 'static>(
    result: Result<Value, Error>,
) -> Result<Value, Error> {
    result.inspect_err(|error| {
        tracing::error!(error = %failure_chain(error), "the function can't start");
    })
}

fn filter(rust_log: &str) -> EnvFilter {
    let noisy = NOISY_TARGETS.iter().map(|target| format!(",{target}=warn"));
    let quiet = format!("info{},{CHATTY_TARGET}=error", noisy.collect::<String>());
    // Of two directives for the same target, the later one applies.
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
    fn dependencies_are_quiet_unless_rust_log_names_them() {
        let directives = |rust_log| filter(rust_log).to_string();
        let quiet = directives("");
        assert!(quiet.contains("hyper=warn") && quiet.contains("info"), "{quiet}");
        let named = directives("debug,hyper=trace");
        assert!(named.contains("hyper=trace") && !named.contains("hyper=warn"), "{named}");
        assert!(named.contains("debug") && named.contains("aws_=warn"), "{named}");
    }
}
