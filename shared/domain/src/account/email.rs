use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// An e-mail address: as its user typed it, for mail and display, and the key by which accounts are
/// compared.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    typed: String,
    key: AddressKey,
}

/// The form in which addresses are compared: without differences of case and of compatible
/// characters (NFKC), so that `Ｄemo@EXAMPLE.com` is `demo@example.com`.
///
/// Mail must not be sent to this form: a host may deliver the two spellings to different people
/// (RFC 5321, section 2.4).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressKey(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most {} bytes", EmailAddress::LENGTH_MAX)]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// The longest address in bytes (RFC 5321, section 4.5.3.1.3: a path of 256 with its brackets).
    pub const LENGTH_MAX: usize = 254;

    /// Reads an address, without spaces around it: something before and after one `@`, without
    /// spaces, control characters, characters that can't be seen, and those that mean something in
    /// a list of addresses (RFC 5322, section 3.2.3): `a<b@c>` is a name and somebody else's
    /// address. Nothing more is checked: only sending a mail shows whether mail arrives there.
    ///
    /// # Errors
    ///
    /// [`InvalidEmailAddress`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        let typed = text.trim();
        if typed.len() > Self::LENGTH_MAX {
            return Err(InvalidEmailAddress);
        }
        let key = comparable(typed);
        let well_formed = key.split_once('@').is_some_and(|(local, host)| {
            !local.is_empty() && !host.is_empty() && !host.contains('@')
        }) && key.len() <= Self::LENGTH_MAX
            && !key.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
            && !key.contains(SPECIALS);
        if !well_formed {
            return Err(InvalidEmailAddress);
        }
        Ok(Self { typed: typed.to_owned(), key: AddressKey(key) })
    }

    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    pub const fn key(&self) -> &AddressKey {
        &self.key
    }
}

impl AddressKey {
    /// The key as text, which is itself an address with this key.
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

/// This letter has the same upper case as `i` but is a different one (Unicode, `CaseFolding.txt`):
/// addresses that differ in it can belong to two people.
const DOTLESS_I: char = 'ı';

/// The characters that make a mail program read more than one address, except `@` and `.` (RFC
/// 5322, section 3.2.3, "specials").
const SPECIALS: &[char] = &['(', ')', '<', '>', '[', ']', ':', ';', ',', '\\', '"'];

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

/// Hides the address, like [`EmailAddress`].
impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> String {
        EmailAddress::parse(text).unwrap().key().as_str().to_owned()
    }

    #[test]
    fn spellings_of_one_address_have_one_key() {
        let plain = key("demo.straße@example.com");
        for spelling in [
            " Demo.Straße@Example.COM ",
            "DEMO.STRASSE@EXAMPLE.COM",
            "demo.stra\u{df}e@example.com\n",
            "ｄｅｍｏ.straße＠example.com",
            "demo.straẞe@example.com",
        ] {
            assert_eq!(key(spelling), plain, "{spelling}");
        }
        assert_eq!(key("JOSE\u{301}@example.com"), key("jos\u{e9}@example.com"));
        assert_eq!(key("οδυσσευς@example.com"), "οδυσσευσ@example.com");
        assert_eq!(key("ΟΔΥΣΣΕΥΣ@example.com"), "οδυσσευσ@example.com");
    }

    #[test]
    fn an_address_is_kept_as_it_was_typed_without_spaces_around_it() {
        for typed in ["Demo.Straße@Example.COM", "ｄｅｍｏ＠example.com", "JOSE\u{301}@example.com"]
        {
            let address = EmailAddress::parse(&format!(" {typed}\n")).unwrap();
            assert_eq!(address.as_typed(), typed);
        }
    }

    #[test]
    fn letters_that_only_look_alike_are_two_addresses() {
        let mike = key("mike@example.com");
        for other in ["mıke@example.com", "MİKE@example.com", "m\u{456}ke@example.com"] {
            assert_ne!(key(other), mike, "{other}");
        }
        assert_eq!(key("MIKE@example.com"), mike);
        // The capital letter of both is `I`, which is that of `i`.
        assert_eq!(key("Mıke@example.com"), "mıke@example.com");
    }

    #[test]
    fn text_that_is_not_an_address_is_refused() {
        for text in ["", "demo", "@example.com", "demo@", "a@b@c", "de mo@example.com", "a\r\n@b"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
        for text in ["de\u{200b}mo@example.com", "demo\u{ad}@example.com", "\u{202e}demo@a.com"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?} can't be seen");
        }
        for text in ["a<b@example.com>", "<b@example.com>", "a,b@example.com", "a@example.com;b"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?} is more than one address");
        }
        assert!(EmailAddress::parse("a＜b@example.com＞").is_err(), "it is compared as the first");
        let longest = format!("{}@example.com", "a".repeat(242));
        assert_eq!(EmailAddress::parse(&longest).unwrap().as_typed().len(), 254);
        assert!(EmailAddress::parse(&format!("a{longest}")).is_err());
        // Its key is longer than the address: `ﷺ` stands for 18 letters.
        assert!(EmailAddress::parse(&format!("{}@example.com", "ﷺ".repeat(20))).is_err());
        assert!(EmailAddress::parse(&"@".repeat(100_000)).is_err());
    }

    /// A text of letters with and without case, of marks and of compatible characters.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{1,20}", "[a-zA-ZıİſßẞςΣσéｄﬁǅǆ\u{301}\u{307}]{1,20}"]
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(local in texts(), host in texts()) {
            if let Ok(address) = EmailAddress::parse(&format!("{local}@{host}")) {
                let again = EmailAddress::parse(address.key().as_str()).unwrap();
                prop_assert_eq!(again.key(), address.key());
            }
        }

        #[test]
        fn spellings_that_differ_only_in_case_have_one_key(
            local in texts(),
            host in texts(),
            cases in prop::collection::vec(0..3, 1..8),
        ) {
            let text = format!("{local}@{host}");
            let Ok(address) = EmailAddress::parse(&text) else { return Ok(()) };
            // `ı` has the capital letter of `i`, so its capital is no other spelling of it.
            let in_case = |(c, case): (char, &i32)| match case {
                1 if c != DOTLESS_I => c.to_uppercase().collect::<String>(),
                2 => c.to_lowercase().collect(),
                _ => c.to_string(),
            };
            let spelling: String = text.chars().zip(cases.iter().cycle()).map(in_case).collect();
            if let Ok(other) = EmailAddress::parse(&spelling) {
                prop_assert_eq!(other.key(), address.key(), "{} {}", text, spelling);
            }
        }

        #[test]
        fn a_dotless_i_is_never_an_i(before in texts(), after in texts()) {
            let with = |i| EmailAddress::parse(&format!("{before}{i}{after}@example.com"));
            if let (Ok(dotless), Ok(dotted)) = (with(DOTLESS_I), with('i')) {
                prop_assert_ne!(dotless.key(), dotted.key());
            }
        }
    }
}
