//! Mails that were asked for, their tokens, and the service that sends them.

use std::future::Future;

use domain::account::{Account, AddressKey, EmailAddress, MailPurpose, MailRequest, UserEvent};
use domain::identity::{MailId, TransactionId};
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::pending::{AggregateChange, Found};
use super::{Activity, AddressDigest, CancelledAddition, CancelledChange, TokenHash, TokenRecord};
use crate::deadline::Deadline;
use crate::outcome::{Failure, WriteTry};

/// A mailed token: `<mail_id>.<secret>`. It names the request, so that one read finds it. The
/// secret has 256 random bits; the identifier is not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailToken {
    /// The request that the token names.
    pub mail: MailId,
    /// The hash of the whole token.
    pub hash: TokenHash,
}

impl MailToken {
    /// A request's new token, as the mail has it.
    pub fn issued(mail: MailId, secret: &SecretString) -> SecretString {
        SecretString::from(format!("{mail}.{}", secret.expose_secret()))
    }

    /// Reads a token from a text; `None` if the text can't be a token.
    pub fn read(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        let (mail, _) = text.split_once('.')?;
        Some(Self { mail: mail.parse().ok()?, hash: TokenHash::of(text) })
    }
}

/// A new request for a mail with its event.
#[derive(Debug, Clone)]
pub struct NewMail {
    /// The request, in whose item the event is stored.
    pub request: MailRequest,
    /// Its event, whose type follows from the purpose of the request.
    pub event: UserEvent,
    /// The pending entry of `event`.
    pub pending: PendingEvent,
}

/// A request as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMail {
    /// The request as it was made; only its token changes.
    pub request: MailRequest,
    /// The newest token; `None` before the first mail.
    pub token: Option<TokenRecord>,
    /// Whether a token of the request was used. After that, no token of it is good.
    pub used: bool,
}

impl StoredMail {
    /// Whether `hash` is the hash of the request's newest token, and that token is not expired at
    /// `now`.
    pub fn is_newest(&self, hash: &TokenHash, now: Timestamp) -> bool {
        let is_newest = |token: &TokenRecord| token.hash.equals(hash) && now < token.expires_at;
        self.token.as_ref().is_some_and(is_newest)
    }
}

/// Finds the requests that mailed tokens name.
pub trait MailRequests: Send + Sync {
    /// A request, by a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn find(
        &self,
        mail: MailId,
    ) -> impl Future<Output = Result<Option<StoredMail>, Failure>> + Send;
}

/// The use of a token: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct Redemption<'a> {
    /// The request of the token.
    pub mail: MailId,
    /// The hash of the token, which must be the newest of the request.
    pub hash: TokenHash,
    /// The account after the use. Its version is one higher than the stored version.
    pub account: &'a Account,
    /// The address that the account had before, if it changes.
    pub former_address: Option<&'a AddressKey>,
    /// The attempt, by which a try that was stored unnoticed is recognised.
    pub attempt: TransactionId,
    /// The activity that the user can look up.
    pub activity: &'a Activity,
}

/// Stores requests for mails, and what their tokens change.
///
/// Each write makes one try within `deadline`, and never a second one. A second call stores
/// nothing, and MUST report what it met of the first one: [`judging`](crate::users::judging)
/// recognises it.
pub trait MailRepository: Send + Sync {
    /// Stores a request with its pending event and its activity. If `account` is given, it is the
    /// account that asks, after the change that belongs to the request; that change has the
    /// conditions of [`AccountRepository::change`](super::AccountRepository::change).
    fn ask(
        &self,
        mail: &NewMail,
        account: Option<&Account>,
        activity: &Activity,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledAddition>> + Send;

    /// Stores that somebody asked for a mail to an address without an account: by one call of the
    /// same kind and with as many items as [`Self::ask`], so that the time does not show that there
    /// is no account. What it stores expires soon, and no mail follows.
    fn ask_for_nobody(
        &self,
        mail: MailId,
        address: AddressDigest,
        activity: &Activity,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledAddition>> + Send;

    /// Stores the use of a token with the change of the account. It MUST store the use only if the
    /// token is the request's newest and was not used, if the account has the version before the
    /// change, and, for a new address, if no other account has that: of any number of uses at most
    /// one is stored. It MUST NOT change the use of the account's exchanges.
    fn redeem(
        &self,
        redemption: &Redemption<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledChange>> + Send;
}

/// Stores the tokens of mails that are about to be sent.
pub trait MailTokens: Send + Sync {
    /// Makes one try, within `deadline`, to replace the token of a request. `change` is a change of
    /// the request's events that changes none of them: it is conditional on the revision, which it
    /// raises, so of two deliveries at once one makes a token.
    fn issue(
        &self,
        change: &AggregateChange<'_>,
        token: &TokenRecord,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<Found>> + Send;
}

/// A mail to send. Its `Debug` shows neither address nor token.
#[derive(Debug)]
pub struct OutgoingMail<'a> {
    /// The address that it goes to.
    pub to: &'a EmailAddress,
    /// What the token is good for; the text follows from it.
    pub purpose: MailPurpose,
    /// The token, which goes into the mail's link.
    pub token: &'a SecretString,
}

/// The service will never send a mail to this address, such as one with characters that it does not
/// support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no mail can be sent to this address")]
pub struct AddressRejected;

/// Hands mails to the service that sends them.
pub trait Mailer: Send + Sync {
    /// Makes one try, within `deadline`, to have a mail sent. [`WriteTry::Done`] means that the
    /// service has accepted it, not that it arrived. [`WriteTry::Cancelled`] is about the address
    /// alone; what is wrong with the sender or the service is [`WriteTry::NotBegun`]. No transaction
    /// covers it: after [`WriteTry::Unknown`] the mail may be sent, and a second call sends another
    /// one. It MUST NOT log the token or the address, nor put either into a failure.
    fn send(
        &self,
        mail: &OutgoingMail<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<AddressRejected>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_token_names_its_request_and_other_text_is_no_token() {
        let mail: MailId = MAIL.parse().unwrap();
        let token = MailToken::issued(mail, &SecretString::from("secret"));
        assert_eq!(token.expose_secret(), format!("{MAIL}.secret"));
        let read = MailToken::read(&token).unwrap();
        assert_eq!((read.mail, read.hash), (mail, TokenHash::of(token.expose_secret())));
        for text in ["", ".", MAIL, "x.secret", "secret"] {
            assert_eq!(MailToken::read(&SecretString::from(text)), None, "{text:?}");
        }
    }
}
