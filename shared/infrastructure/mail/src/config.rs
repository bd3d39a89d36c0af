use platform::mail_sender::MailSender;
use platform::settings::Settings;

/// The most characters of a link's base. With a token the link stays below the 998 characters of a
/// line that mail allows (RFC 5322, section 2.1.1).
const LINK_BASE_LENGTH_MAX: usize = 512;

/// The page to which the links in mails lead, such as `https://shop.example.com/account`. The token
/// is added as its fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkBase(String);

/// A link can't begin with the text. The error does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a URL of at most 512 characters that begins with https:// (or http:// of this \
     machine), without a fragment"
)]
pub struct InvalidLinkBase;

impl LinkBase {
    /// Takes `https://…`, or `http://…` of this machine, of at most 512 characters.
    ///
    /// # Errors
    ///
    /// [`InvalidLinkBase`] for anything else, and for a fragment or a character that a link must
    /// encode.
    pub fn parse(text: &str) -> Result<Self, InvalidLinkBase> {
        let is_local = |text: &str| {
            ["http://127.0.0.1", "http://localhost"].iter().any(|host| {
                let after = text.strip_prefix(host);
                after.is_some_and(|after| after.is_empty() || after.starts_with([':', '/']))
            })
        };
        let secure = text.strip_prefix("https://").is_some_and(|host| !host.is_empty());
        let is_url = (secure || is_local(text)) && text.len() <= LINK_BASE_LENGTH_MAX;
        let is_plain = |c: char| c.is_ascii_graphic() && !r##"#"'<>\^`{|}"##.contains(c);
        if is_url && text.chars().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLinkBase)
        }
    }

    /// The text that was parsed, without a `#`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// From whom mails come, and where their links lead.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `MAIL_SENDER`, the `From` of every mail.
    pub sender: MailSender,
    /// `MAIL_LINK_BASE`, the page that the links open.
    pub link_base: LinkBase,
}

impl MailConfig {
    /// Reads `MAIL_SENDER` and `MAIL_LINK_BASE`, which belong together. `None` if neither is set:
    /// then no mails are sent.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        settings.together(["MAIL_SENDER", "MAIL_LINK_BASE"], |[sender, link_base]| {
            match (MailSender::parse(sender), LinkBase::parse(link_base)) {
                (Ok(sender), Ok(link_base)) => Ok(Self { sender, link_base }),
                (sender, link_base) => Err([
                    sender.err().map(|fault| fault.to_string()),
                    link_base.err().map(|fault| fault.to_string()),
                ]),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_with_a_secure_page_or_one_of_this_machine() {
        for text in [
            "https://shop.example.com/account",
            "https://shop.example.com/?lang=en&page=account",
            "http://127.0.0.1:8000/mails/link",
            "http://localhost",
        ] {
            assert_eq!(LinkBase::parse(text).unwrap().as_str(), text);
        }
        let long = format!("https://{}", "x".repeat(512));
        for text in [
            "",
            "https://",
            "shop.example.com",
            "http://shop.example.com",
            "http://localhost.example.com",
            "https://shop.example.com/#account",
            "https://shop.example.com/a b",
            "https://shop.example.com/\"onclick",
            "javascript:alert(1)",
            &long,
        ] {
            assert_eq!(LinkBase::parse(text), Err(InvalidLinkBase), "{text:?}");
        }
    }

    #[test]
    fn sender_and_link_belong_together() {
        let link = ("MAIL_LINK_BASE", "https://shop.example.com");
        let sender = ("MAIL_SENDER", "shop@example.com");
        let read = |pairs: &[(&str, &str)]| {
            let mut settings = Settings::from_pairs(pairs.iter().copied());
            let config = MailConfig::read(&mut settings);
            let is_some = config.is_some();
            settings.finish(Some(())).map(|()| is_some).map_err(|faults| faults.to_string())
        };
        assert_eq!(read(&[]), Ok(false));
        assert_eq!(read(&[sender, link]), Ok(true));
        assert!(read(&[sender]).unwrap_err().contains("MAIL_LINK_BASE: is not set"));
        let faults = read(&[("MAIL_SENDER", "x"), ("MAIL_LINK_BASE", "x")]).unwrap_err();
        assert!(faults.contains("MAIL_SENDER: ") && faults.contains("MAIL_LINK_BASE: "));
    }
}
