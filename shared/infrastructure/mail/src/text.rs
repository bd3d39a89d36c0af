//! What the mails say.

use application::ports::mail::OutgoingMail;
use domain::account::{MAIL_TOKEN_LIFETIME, MailPurpose};
use secrecy::ExposeSecret;

use crate::config::LinkBase;

/// A mail, ready to be sent.
pub(crate) struct Written {
    pub(crate) subject: &'static str,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The words of a purpose.
struct Words {
    subject: &'static str,
    /// The name of the token in the link's fragment, by which the page knows what to do.
    fragment: &'static str,
    request: &'static str,
    otherwise: &'static str,
}

const fn words(purpose: MailPurpose) -> Words {
    match purpose {
        MailPurpose::ConfirmAddress => Words {
            subject: "Confirm your e-mail address",
            fragment: "confirm-email",
            request: "Please confirm that this is the e-mail address of your account:",
            otherwise: "If you have no account with us, somebody entered your address by mistake. \
                        You need not do anything.",
        },
        MailPurpose::ChangeAddress => Words {
            subject: "Confirm your new e-mail address",
            fragment: "confirm-email",
            request: "Please confirm that this is the new e-mail address of your account:",
            otherwise: "If you did not ask for this, you need not do anything: your address is not \
                        used.",
        },
        MailPurpose::ResetPassword => Words {
            subject: "Choose a new password",
            fragment: "reset-password",
            request: "Somebody asked for a new password for your account. To choose one:",
            otherwise: "If it was not you, you need not do anything: your password stays.",
        },
    }
}

/// The text of a mail.
pub(crate) fn render(mail: &OutgoingMail<'_>, base: &LinkBase) -> Written {
    let Words { subject, fragment, request, otherwise } = words(mail.purpose);
    // A token consists of letters, digits, `-`, `_` and `.`, so nothing in it needs to be encoded.
    let link = format!("{}#{fragment}={}", base.as_str(), mail.token.expose_secret());
    let minutes = MAIL_TOKEN_LIFETIME.as_secs() / 60;
    let limit = format!("The link works once, and for {minutes} minutes.");
    let in_html = link.replace('&', "&amp;");
    Written {
        subject,
        text: format!("{request}\n\n{link}\n\n{limit}\n\n{otherwise}\n"),
        html: format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{subject}</title>\
             </head><body><p>{request}</p><p><a href=\"{in_html}\">{subject}</a></p>\
             <p>{limit}</p><p>{otherwise}</p></body></html>"
        ),
    }
}
