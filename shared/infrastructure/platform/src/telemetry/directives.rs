//! The allowed values of `RUST_LOG`.

use tracing_subscriber::filter::EnvFilter;

/// Checks a value of `RUST_LOG`.
///
/// # Errors
///
/// A sentence that says what to write instead.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    let parsed = EnvFilter::builder().parse(text);
    parsed
        .map(drop)
        .map_err(|_| "write a level, such as info, or directives, such as info,hyper=debug")
}
