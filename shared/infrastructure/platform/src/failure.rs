//! Errors for the log.

use std::error::Error;
use std::fmt;

/// An error and everything that caused it, on one line: `a: b: c`.
///
/// House errors don't repeat their source in their `Display`, so this is where it is told. Errors
/// of other crates that do repeat it, word for word at their end, are told once.
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
    /// The longest chain that is told. None is that long, unless an error is its own source.
    const LENGTH_MAX: usize = 16;
}

impl fmt::Display for FailureChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        f.write_str(&told)?;
        let sources = std::iter::successors(self.0.source(), |&error| error.source());
        for source in sources.take(Self::LENGTH_MAX) {
            let text = source.to_string();
            if !told.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            told = text;
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
    fn every_source_is_told_once() {
        let error = Nested::Outer(Box::new(Nested::RepeatsItsSource(Box::new(Nested::Inner))));
        assert_eq!(failure_chain(&error).to_string(), "outer: middle: inner");
        assert_eq!(failure_chain(&Nested::Inner).to_string(), "inner");
    }
}
