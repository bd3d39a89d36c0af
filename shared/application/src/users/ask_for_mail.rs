//! Asks for the mails of an account: to confirm its address, to change it, or to reset its
//! password.
//!
//! A request is stored with its event, and the handler of that event sends the mail
//! ([`crate::events::send_mail`]). So nobody who asks waits for the mail service, and the time of
//! an answer says nothing about what is sent.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::account::{
    Account, ActivityKind, EmailAddress, InvalidEmailAddress, MailPurpose, MailRequest,
};
use domain::event::EventStamp;
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;
use secrecy::SecretString;

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass};
use crate::ports::mail::{MailRepository, NewMail};
use crate::ports::{
    AccountChange, AccountRepository, Accounts, Activity, ActivityLog, AddressDigest, Bearer,
    Clock, GuessRecords, GuessTarget, IdentitySource, PasswordHasher, Sessions, Source,
};
use crate::users::current_password::{CurrentPassword, Proof, ProtectedChangeError};
use crate::users::guess_guard::{self, GuessGuard, GuessRefused};
use crate::users::judging::{Settled, Stale, judge_change, judge_request};
use crate::users::settle::{Tries, settle};
use crate::users::show_account::{ShowAccount, ShowAccountError};

/// Asks for mails. `Store` has accounts, sessions, requests, activities and guesses.
pub struct AskForMail<Store, Passwords, Identities, Time> {
    pub show: ShowAccount<Store, Time>,
    /// Verifies the current password, and counts what is asked for.
    pub current: CurrentPassword<Store, Passwords, Identities, Time>,
}

/// Who asks for a mail.
pub struct Asking {
    pub source: Source,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

/// Why no mail was asked for, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum AskForMailError {
    #[error("invalid e-mail address")]
    Email(#[from] InvalidEmailAddress),
    #[error("the address is confirmed already")]
    AlreadyConfirmed,
    /// Too many mails were asked for. The next request is allowed after this time.
    #[error("too many mails")]
    TooMany(Duration),
    #[error(transparent)]
    Refused(#[from] ProtectedChangeError),
}

impl From<ShowAccountError> for AskForMailError {
    fn from(error: ShowAccountError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<GuessRefused> for AskForMailError {
    fn from(refused: GuessRefused) -> Self {
        match refused {
            GuessRefused::Wait(wait) => Self::TooMany(wait),
            GuessRefused::Unavailable(failure) => unavailable(failure),
        }
    }
}

impl<Store, Passwords, Identities, Time> AskForMail<Store, Passwords, Identities, Time>
where
    Store: Accounts + AccountRepository + ActivityLog + GuessRecords + MailRepository + Sessions,
    Passwords: PasswordHasher,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Asks for a mail that confirms the address of the bearer's account.
    ///
    /// # Errors
    ///
    /// [`AskForMailError`]
    pub async fn confirmation(
        &self,
        bearer: Bearer,
        asking: Asking,
        deadline: Deadline,
    ) -> Result<(), AskForMailError> {
        let account = self.show.execute(bearer).await?;
        if account.record().email_confirmed {
            return Err(AskForMailError::AlreadyConfirmed);
        }
        self.guard().count(GuessTarget::Mail(bearer.user_id), guess_guard::MAIL).await?;
        let (purpose, now) = (MailPurpose::ConfirmAddress, self.show.clock.now());
        let mail = new_mail(self.identities(), &account, purpose, now, asking.traceparent);
        let kind = ActivityKind::EmailConfirmationRequested;
        let activity = self.current.activity(kind, bearer, asking.source);
        match mail {
            Some(mail) => self.store(&mail, None, &activity, deadline).await?.stored_or(stale),
            None => Ok(()),
        }
    }

    /// Asks for a mail to the address that the bearer's account is to get. If that address belongs
    /// to another account, no mail is sent to it, and the answer does not show this. A request for
    /// the account's own address withdraws an earlier request, and no mail is sent either.
    ///
    /// # Errors
    ///
    /// [`AskForMailError`]
    pub async fn change(
        &self,
        bearer: Bearer,
        email: &str,
        password: SecretString,
        asking: Asking,
        deadline: Deadline,
    ) -> Result<(), AskForMailError> {
        let email = EmailAddress::parse(email)?;
        let Asking { source, traceparent } = asking;
        let mut account = self.show.execute(bearer).await?;
        let failure = ActivityKind::EmailChangeFailed;
        self.current.verify(&account, bearer, Proof { password, source, failure }).await?;
        self.guard().count(GuessTarget::Mail(bearer.user_id), guess_guard::MAIL).await?;
        let to = GuessTarget::MailTo(AddressDigest::of(&email));
        self.guard().count(to, guess_guard::MAIL_TO).await?;
        let activity = self.current.activity(ActivityKind::EmailChangeRequested, bearer, source);
        let verified = account.password_hash().clone();
        let tries = Tries::by(deadline);
        loop {
            let within = tries.next().map_err(unavailable)?;
            let waiting = account.request_email(email.clone());
            let (purpose, now) = (MailPurpose::ChangeAddress, self.show.clock.now());
            let trace = traceparent.clone();
            let stored = match new_mail(self.identities(), &waiting, purpose, now, trace) {
                Some(mail) => self.store(&mail, Some(&waiting), &activity, within).await?,
                None if account.record().requested_email.is_none() => Settled::Stored,
                None => self.withdraw(&waiting, &activity, within).await?,
            };
            if stored.is_stored() {
                break;
            }
            account = self.show.execute(bearer).await?;
            if *account.password_hash() != verified {
                return Err(stale(Stale));
            }
        }
        tracing::info!(user_id = bearer.user_id.get(), %source, "requested another address");
        Ok(())
    }

    /// Asks for a mail that resets the password of an address's account. For an address without an
    /// account the same calls are made, and no mail is sent.
    ///
    /// # Errors
    ///
    /// [`AskForMailError`], the same for every address
    pub async fn reset(
        &self,
        email: &str,
        asking: Asking,
        deadline: Deadline,
    ) -> Result<(), AskForMailError> {
        let email = EmailAddress::parse(email)?;
        let Asking { source, traceparent } = asking;
        // The source first: a source that has to wait must not make accounts wait.
        self.guard().count(GuessTarget::ResetFrom(source), guess_guard::RESET_FROM).await?;
        let digest = AddressDigest::of(&email);
        self.guard().count(GuessTarget::ResetOf(digest), guess_guard::RESET_OF).await?;
        let account = self.users().by_email(&email).await.map_err(unavailable)?;
        let now = self.show.clock.now();
        let kind = ActivityKind::PasswordResetRequested;
        let activity = Activity::new(self.identities(), kind, now, source, None);
        let purpose = MailPurpose::ResetPassword;
        let mail = account
            .and_then(|account| new_mail(self.identities(), &account, purpose, now, traceparent));
        let stored = match mail {
            Some(mail) => self.store(&mail, None, &activity, deadline).await?,
            None => {
                let id = self.identities().mail_id();
                let ask = |within| self.users().ask_for_nobody(id, digest, &activity, within);
                let stored = settle(deadline, seed(id.as_uuid()), ask, judge_request);
                stored.await.map_err(unavailable)?
            }
        };
        tracing::info!(%source, "requested a password reset");
        stored.stored_or(stale)
    }

    async fn store(
        &self,
        mail: &NewMail,
        account: Option<&Account>,
        activity: &Activity,
        deadline: Deadline,
    ) -> Result<Settled<Stale>, AskForMailError> {
        let seed = seed(mail.request.id.as_uuid());
        let ask = |within| self.users().ask(mail, account, activity, within);
        settle(deadline, seed, ask, judge_request).await.map_err(unavailable)
    }

    /// Withdraws the requested address.
    async fn withdraw(
        &self,
        account: &Account,
        activity: &Activity,
        deadline: Deadline,
    ) -> Result<Settled<Stale>, AskForMailError> {
        let attempt = self.identities().transaction_id();
        let change = AccountChange { account, attempt, keep: None, activity };
        let store = |within| self.users().change(&change, within);
        let judge = |met: &_| judge_change(met, attempt);
        let stored = settle(deadline, seed(attempt.as_uuid()), store, judge);
        stored.await.map_err(unavailable)
    }

    const fn users(&self) -> &Store {
        &self.current.users
    }

    const fn guard(&self) -> &GuessGuard<Store, Time> {
        &self.current.guard
    }

    const fn identities(&self) -> &Identities {
        &self.current.identities
    }
}

const fn unavailable(failure: Failure) -> AskForMailError {
    AskForMailError::Refused(ProtectedChangeError::Unavailable(failure))
}

/// The account is no longer the one that asked; the client tries again.
fn stale(_: Stale) -> AskForMailError {
    unavailable(Failure::new(FailureClass::Conflict, "the account was changed meanwhile"))
}

/// A new request for a mail. `None` if there is no address that it could go to.
pub(crate) fn new_mail(
    identities: &impl IdentitySource,
    account: &Account,
    purpose: MailPurpose,
    now: Timestamp,
    traceparent: Option<String>,
) -> Option<NewMail> {
    let event_id = identities.event_id();
    let stamp = EventStamp { event_id, schema_version: SCHEMA_VERSION, traceparent };
    let (request, event) = MailRequest::ask(identities.mail_id(), account, purpose, now, stamp)?;
    let pending = PendingEvent::unsent(identities.transaction_id(), now);
    Some(NewMail { request, event, pending })
}
