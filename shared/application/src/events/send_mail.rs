//! Sends the mails that were asked for.
//!
//! The handler makes a token, stores its hash, and has the mail sent; then it marks itself. No
//! transaction covers the mail service, so a delivery that comes again may send another mail. It
//! has another token, and the newest one counts.

use contracts::event::EventType;
use domain::account::MailPurpose;
use domain::aggregate::AggregateKey;
use domain::timestamp::Timestamp;
use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::events::consume::{EventHandler, HandlerError, IncomingEvent};
use crate::events::revise::revise;
use crate::outcome::{Failure, FailureClass, WriteTry};
use crate::ports::mail::{MailRequests, MailToken, MailTokens, Mailer, OutgoingMail, StoredMail};
use crate::ports::pending::{IndexChange, PendingEventStore};
use crate::ports::{Accounts, Clock, RefreshTokenSource, TokenHash, TokenRecord};

pub const MAIL_EVENTS: &[EventType] = &[
    EventType::EmailConfirmationRequested,
    EventType::EmailChangeRequested,
    EventType::PasswordResetRequested,
];

/// Its name, in the marks of events and in dead letters.
const NAME: &str = "mail";

/// Sends mails. It is an [`EventHandler`] for [`MAIL_EVENTS`].
pub struct SendMail<Users, Aggregates, Service, Secrets, Time> {
    /// Accounts with their requests for mails.
    pub users: Users,
    /// Stores tokens and marks.
    pub aggregates: Aggregates,
    /// Without one, a mail waits for a window that has one: the setting of a sender reaches the
    /// functions one after the other, and those that ask for mails may have it first.
    pub mailer: Option<Service>,
    pub secrets: Secrets,
    pub clock: Time,
}

impl<Users, Aggregates, Service, Secrets, Time> EventHandler
    for SendMail<Users, Aggregates, Service, Secrets, Time>
where
    Users: Accounts + MailRequests,
    Aggregates: MailTokens + PendingEventStore,
    Service: Mailer,
    Secrets: RefreshTokenSource,
    Time: Clock,
{
    fn name(&self) -> &'static str {
        NAME
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async move {
            let AggregateKey::Mail { mail_id } = incoming.stored.key() else {
                return Err(HandlerError::Permanent("no request for a mail raised it".to_owned()));
            };
            let Some(mail) = MailRequests::find(&self.users, mail_id).await? else {
                return Err(HandlerError::Permanent("the request for the mail is gone".to_owned()));
            };
            let stored = match mail.request.token_expires_at(self.clock.now()) {
                Some(expires_at) if is_wanted(&self.users, &mail).await? => {
                    let Some(mailer) = &self.mailer else { return Err(no_sender()) };
                    let secret = MailToken::issued(mail_id, &self.secrets.secret()?);
                    let stored = issue(&self.aggregates, incoming, &secret, expires_at).await?;
                    deliver(mailer, &mail, &secret, incoming.deadline).await?;
                    stored
                }
                _ => {
                    tracing::info!(%mail_id, "a mail is not sent: nobody waits for it any more");
                    incoming.stored.clone()
                }
            };
            mark(&self.aggregates, stored, incoming).await
        }
        .boxed()
    }
}

/// It is no sign of congestion: other events need not wait.
fn no_sender() -> HandlerError {
    Failure::new(FailureClass::Permanent, "this function has no sender of mails").into()
}

/// Whether the account still waits for the mail. A mail to an address that belongs to another
/// account is not sent, so that nobody learns from it whose the address is.
async fn is_wanted(accounts: &impl Accounts, mail: &StoredMail) -> Result<bool, Failure> {
    let account = accounts.by_id(mail.request.user_id).await?;
    let wanted = !mail.used && account.is_some_and(|account| mail.request.is_wanted_by(&account));
    if !wanted || mail.request.purpose != MailPurpose::ChangeAddress {
        return Ok(wanted);
    }
    Ok(accounts.by_email(&mail.request.address).await?.is_none())
}

/// Stores the hash of a new token, before the mail: a token that nobody can use would be worse than
/// one that is not mailed. Returns the request after that write.
async fn issue(
    tokens: &impl MailTokens,
    incoming: &IncomingEvent<'_>,
    secret: &SecretString,
    expires_at: Timestamp,
) -> Result<StoredAggregate, HandlerError> {
    let token = TokenRecord { hash: TokenHash::of(secret.expose_secret()), expires_at };
    let pending = incoming.stored.pending().clone();
    let change = incoming.stored.pending_change(pending.clone(), IndexChange::Keep);
    // After anything but success the event comes again, and its aggregate says what was stored.
    match tokens.issue(&change, &token, incoming.deadline).await {
        WriteTry::Done => Ok(incoming.stored.clone().revised(pending)),
        WriteTry::Cancelled(_) => {
            let cause = "another delivery handles the request for the mail";
            Err(Failure::new(FailureClass::Conflict, cause).into())
        }
        WriteTry::NotBegun(failure) | WriteTry::Unknown(failure) => Err(failure.into()),
    }
}

async fn deliver(
    mailer: &impl Mailer,
    mail: &StoredMail,
    token: &SecretString,
    deadline: Deadline,
) -> Result<(), HandlerError> {
    let mail_id = mail.request.id;
    let (to, purpose) = (&mail.request.address, mail.request.purpose);
    let outgoing = OutgoingMail { to, purpose, token };
    match mailer.send(&outgoing, deadline).await {
        WriteTry::Done => {
            tracing::info!(%mail_id, purpose = purpose.as_str(), "a mail was sent");
            Ok(())
        }
        // It will never succeed, and is no fault that an operator could repair: users may enter any
        // address. So it is not a dead letter.
        WriteTry::Cancelled(rejected) => {
            tracing::warn!(%mail_id, purpose = purpose.as_str(), %rejected, "a mail is not sent");
            Ok(())
        }
        WriteTry::NotBegun(failure) | WriteTry::Unknown(failure) => Err(failure.into()),
    }
}

async fn mark(
    aggregates: &impl PendingEventStore,
    stored: StoredAggregate,
    incoming: &IncomingEvent<'_>,
) -> Result<(), HandlerError> {
    // The sweep may change the entry meanwhile. Giving up then would mail another token, and make
    // the one useless that the user has just got.
    let marked = revise(aggregates, stored, incoming.deadline, |found| {
        let mut pending = found.pending().clone();
        let mut entry = pending.remove(incoming.event_id)?;
        entry.done_by.insert(NAME.to_owned());
        pending.put(incoming.event_id, entry);
        Some(found.pending_change(pending, IndexChange::Keep))
    });
    // Nothing to mark: another delivery has ended the event.
    marked.await?;
    Ok(())
}
