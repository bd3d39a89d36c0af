use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// An e-mail address in the form in which accounts are compared: trimmed, without differences of
/// case and of compatible characters (NFKC), so that `Ｄemo@EXAMPLE.com` is `demo@example.com`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// A text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most {} bytes", EmailAddress::LENGTH_MAX)]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// The longest address in bytes (RFC 5321, section 4.5.3.1.3: a path of 256 with its brackets).
    pub const LENGTH_MAX: usize = 254;

    /// Reads an address: something before and after one `@`, without spaces, control characters and
    /// characters that can't be seen. Nothing more is checked: only sending a mail shows whether
    /// mail arrives there.
    ///
    /// # Errors
    ///
    /// [`InvalidEmailAddress`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        // A text that is far too long is not worth the work: folding can triple its length, three
        // times.
        if text.len() > 4 * Self::LENGTH_MAX {
            return Err(InvalidEmailAddress);
        }
        let address = comparable(text.trim());
        let well_formed = address.split_once('@').is_some_and(|(local, host)| {
            !local.is_empty() && !host.is_empty() && !host.contains('@')
        }) && address.len() <= Self::LENGTH_MAX
            && !address.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c));
        if well_formed { Ok(Self(address)) } else { Err(InvalidEmailAddress) }
    }

    /// The address in its comparable form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text without differences of case and of compatible characters. Folding can produce characters
/// that normalisation changes, and the other way round, so both are repeated until nothing changes,
/// as `NFKC_Casefold` does (Unicode, section 3.13, D147).
pub(super) fn comparable(text: &str) -> String {
    let mut known = fold(text);
    for _ in 0..3 {
        let next = fold(&known);
        if next == known {
            break;
        }
        known = next;
    }
    known
}

/// Folds by way of upper case, because several lower-case letters have the same upper case: `ς` and
/// `σ`, `ſ` and `s`.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkc() {
        if c == DOTLESS_I {
            folded.push(c);
        } else {
            folded.extend(c.to_uppercase().flat_map(char::to_lowercase));
        }
    }
    folded.nfkc().collect()
}

/// It has the same upper case as `i` but is a different letter (Unicode, `CaseFolding.txt`):
/// addresses that differ in it can belong to two people.
const DOTLESS_I: char = 'ı';

/// Default-ignorable code points (Unicode, `DerivedCoreProperties.txt`): with them, two addresses
/// that look the same would be two accounts.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Hides the address: it is personal data, and `Debug` output ends up in logs.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_address_are_one() {
        let plain = EmailAddress::parse("demo.straße@example.com").unwrap();
        for spelling in [
            " Demo.Straße@Example.COM ",
            "DEMO.STRASSE@EXAMPLE.COM",
            "demo.stra\u{df}e@example.com\n",
            "ｄｅｍｏ.straße＠example.com",
            "demo.straẞe@example.com",
        ] {
            assert_eq!(EmailAddress::parse(spelling).unwrap(), plain, "{spelling}");
        }
        let composed = EmailAddress::parse("jos\u{e9}@example.com").unwrap();
        assert_eq!(EmailAddress::parse("JOSE\u{301}@example.com").unwrap(), composed);
        let sigma = EmailAddress::parse("ΟΔΥΣΣΕΥΣ@example.com").unwrap();
        assert_eq!(EmailAddress::parse("οδυσσευς@example.com").unwrap(), sigma);
        assert_eq!(sigma.as_str(), "οδυσσευσ@example.com");
        let dotless = EmailAddress::parse("mıke@example.com").unwrap();
        assert_ne!(dotless, EmailAddress::parse("mike@example.com").unwrap());
    }

    #[test]
    fn text_that_is_not_an_address_is_refused() {
        for text in ["", "demo", "@example.com", "demo@", "a@b@c", "de mo@example.com", "a\r\n@b"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
        for text in ["de\u{200b}mo@example.com", "demo\u{ad}@example.com", "\u{202e}demo@a.com"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?} can't be seen");
        }
        assert!(EmailAddress::parse(&format!("{}@example.com", "a".repeat(250))).is_err());
        assert!(EmailAddress::parse(&"@".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn an_address_is_its_own_comparable_form(text in "\\PC{1,20}@\\PC{1,20}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert_eq!(EmailAddress::parse(address.as_str()), Ok(address.clone()));
                let upper = address.as_str().to_uppercase();
                if !address.as_str().contains(DOTLESS_I) {
                    prop_assert_eq!(EmailAddress::parse(&upper), Ok(address));
                }
            }
        }
    }
}
