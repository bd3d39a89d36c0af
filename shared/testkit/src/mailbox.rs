//! A mail service in memory.

use std::sync::{Arc, Mutex};

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::mail::{AddressRejected, Mailer, OutgoingMail};
use domain::account::{EmailAddress, MailPurpose};
use secrecy::SecretString;

#[derive(Debug, Clone)]
pub struct SentMail {
    pub to: EmailAddress,
    pub purpose: MailPurpose,
    pub token: SecretString,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailFault {
    /// The mail is sent, and the answer never comes.
    ReplyLost,
    Refused(FailureClass),
    /// The service sends no mail to this address.
    Rejected,
}

/// Keeps the sent mails. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    sent: Arc<Mutex<Vec<SentMail>>>,
    next: Arc<Mutex<Vec<MailFault>>>,
}

impl Mailbox {
    /// The mails in the order in which they were sent.
    pub fn sent(&self) -> Vec<SentMail> {
        self.sent.lock().unwrap().clone()
    }

    /// The token of the newest mail to an address for this purpose.
    pub fn newest_token(&self, to: &str, purpose: MailPurpose) -> Option<SecretString> {
        let to = EmailAddress::parse(to).unwrap();
        let sent = self.sent();
        let mut newest = sent.iter().rev();
        let found = newest.find(|mail| mail.to == to && mail.purpose == purpose);
        found.map(|mail| mail.token.clone())
    }

    /// Sets one fault for each of the next mails.
    pub fn script(&self, faults: impl IntoIterator<Item = MailFault>) {
        let mut next = self.next.lock().unwrap();
        next.extend(faults);
        next.reverse();
    }
}

impl Mailer for Mailbox {
    async fn send(&self, mail: &OutgoingMail<'_>, _: Deadline) -> WriteTry<AddressRejected> {
        let fault = self.next.lock().unwrap().pop();
        match fault {
            Some(MailFault::Refused(class)) => {
                return WriteTry::NotBegun(Failure::new(class, "refused on demand"));
            }
            Some(MailFault::Rejected) => return WriteTry::Cancelled(AddressRejected),
            Some(MailFault::ReplyLost) | None => {}
        }
        let OutgoingMail { to, purpose, token } = *mail;
        let sent = SentMail { to: to.clone(), purpose, token: token.clone() };
        self.sent.lock().unwrap().push(sent);
        match fault {
            None => WriteTry::Done,
            Some(_) => {
                WriteTry::Unknown(Failure::new(FailureClass::Unavailable, "the answer was lost"))
            }
        }
    }
}
