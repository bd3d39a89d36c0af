//! What `RUST_LOG` may be.

use tracing_subscriber::filter::EnvFilter;

/// Whether a text is what `RUST_LOG` may be.
///
/// # Errors
///
/// What to write instead.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    let parsed = EnvFilter::builder().parse(text);
    parsed
        .map(drop)
        .map_err(|_| "write a level, such as info, or directives, such as info,hyper=debug")
}
