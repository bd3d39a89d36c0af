//! Errors for the log.

use std::error::Error;
use std::fmt;

/// An error and everything that caused it, on one line: `a: b: c`.
///
/// The errors of this project don't repeat their source in their `Display`, so it is added here.
/// If an error of another crate already ends with its source's text, that text is not added again.
///
/// ```
/// use platform::failure::failure_chain;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the order couldn't be stored")]
/// struct NotStored(#[source] std::io::Error);
///
/// let error = NotStored(std::io::Error::other("connection reset"));
/// assert_eq!(failure_chain(&error).to_string(), "the order couldn't be stored: connection reset");
/// ```
pub fn failure_chain<'a>(error: &'a (dyn Error + 'static)) -> FailureChain<'a> {
    FailureChain(error)
}

/// The `Display` of [`failure_chain`].
#[derive(Debug, Clone, Copy)]
pub struct FailureChain<'a>(&'a (dyn Error + 'static));

impl FailureChain<'_> {
    /// How many sources are written at most. A longer chain means that an error is its own source.
    const LENGTH_MAX: usize = 16;
}

impl fmt::Display for FailureChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous = self.0.to_string();
        f.write_str(&previous)?;
        let sources = std::iter::successors(self.0.source(), |&error| error.source());
        for source in sources.take(Self::LENGTH_MAX) {
            let text = source.to_string();
            if !previous.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            previous = text;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Nested {
        #[error("outer")]
        Outer(#[source] Box<Nested>),
        #[error("middle: {0}")]
        RepeatsItsSource(#[source] Box<Nested>),
        #[error("inner")]
        Inner,
    }

    #[test]
    fn every_source_is_written_once() {
        let error = Nested::Outer(Box::new(Nested::RepeatsItsSource(Box::new(Nested::Inner))));
        assert_eq!(failure_chain(&error).to_string(), "outer: middle: inner");
        assert_eq!(failure_chain(&Nested::Inner).to_string(), "inner");
    }
}
