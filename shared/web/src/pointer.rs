//! A place in a body.

use std::fmt::{self, Write};

/// A JSON pointer (RFC 6901) as a URI fragment (its section 6), such as `#/items/0/quantity`.
///
/// ```
/// use web::Pointer;
///
/// let quantity = Pointer::root().member("items").element(0).member("quantity");
/// assert_eq!(quantity.to_string(), "#/items/0/quantity");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// The longest member name that is not cut off, in characters. Our names are shorter; a
    /// client's may have any length.
    pub const NAME_LENGTH_MAX: usize = 64;

    /// The whole body.
    pub fn root() -> Self {
        Self("#".to_owned())
    }

    #[must_use]
    pub fn member(mut self, name: &str) -> Self {
        self.0.push('/');
        for character in name.chars().take(Self::NAME_LENGTH_MAX) {
            match character {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' => self.0.push(character),
                _ => self.percent_encode(character),
            }
        }
        self
    }

    /// The element of an array, counted from 0.
    #[must_use]
    pub fn element(mut self, index: usize) -> Self {
        // Writing to a `String` doesn't fail.
        let _always_written = write!(self.0, "/{index}");
        self
    }

    fn percent_encode(&mut self, character: char) {
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            let _always_written = write!(self.0, "%{byte:02X}");
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_for_the_pointer_and_then_for_the_uri() {
        let pointer = |name| Pointer::root().member(name).to_string();
        assert_eq!(pointer("a/b~c"), "#/a~1b~0c");
        assert_eq!(pointer("a b\"é\r\n"), "#/a%20b%22%C3%A9%0D%0A");
        assert_eq!(pointer(""), "#/");
        assert_eq!(pointer(&"x".repeat(1_000)).len(), 2 + Pointer::NAME_LENGTH_MAX);
    }
}
