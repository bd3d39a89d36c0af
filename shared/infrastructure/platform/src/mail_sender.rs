//! From whom mails come. A deployment without a sender sends no mails.

use domain::account::EmailAddress;

use crate::settings::Settings;

/// The most characters of a sender. Mail allows lines of 998 (RFC 5322, section 2.1.1).
const LENGTH_MAX: usize = 320;

/// From whom mails come: `shop@example.com`, or `Shop <shop@example.com>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSender(String);

/// The text is not a sender of mails. The error does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address, or a name of letters, digits and spaces with an address in <>")]
pub struct InvalidMailSender;

impl MailSender {
    /// Takes at most 320 characters: an address in ASCII, or a name of letters, digits and spaces
    /// with an address in `<>`.
    ///
    /// # Errors
    ///
    /// [`InvalidMailSender`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidMailSender> {
        let (name, address) = match text.strip_suffix('>') {
            Some(text) => text.split_once('<').ok_or(InvalidMailSender)?,
            None => ("", text),
        };
        // What else a name may have needs quotes or encoding (RFC 5322, section 3.2.3).
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
        let is_address = address.is_ascii() && EmailAddress::parse(address).is_ok();
        if is_address && name.chars().all(is_plain) && text.len() <= LENGTH_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidMailSender)
        }
    }

    /// Reads `MAIL_SENDER`; `None` if it is not set, or if a fault was recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        settings.optional("MAIL_SENDER", Self::parse)
    }

    /// The value for a mail's `From`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for text in ["shop@example.com", "Shop <shop@example.com>", "<shop@example.com>"] {
            assert_eq!(MailSender::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "shop",
            "Shop shop@example.com>",
            "Shop\r\nBcc: x <shop@example.com>",
            "\"Shop\" <shop@example.com>",
            "Shop <shop>",
            "shöp@example.com",
        ] {
            assert_eq!(MailSender::parse(text), Err(InvalidMailSender), "{text:?}");
        }
    }
}
