//! Registers users.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::account::{
    Account, ActivityKind, EmailAddress, InvalidEmailAddress, MailPurpose, PasswordFault,
    check_password,
};
use domain::event::EventStamp;
use domain::pending::PendingEvent;
use secrecy::{ExposeSecret, SecretString};

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::{
    AccountRepository, Activity, Clock, GuessRecords, GuessTarget, IdentitySource, PasswordHasher,
    Registration, Source,
};
use crate::users::ask_for_mail::new_mail;
use crate::users::guess_guard::{self, GuessGuard, GuessRefused};
use crate::users::judging::{EmailTaken, Settled, judge_registration};
use crate::users::settle::settle;

/// Registers users, each with an account, an event and an activity. `Store` has accounts and
/// guesses.
pub struct RegisterUser<Store, Passwords, Identities, Time> {
    pub users: Store,
    /// Makes a source wait that tries many addresses.
    pub guard: GuessGuard<Store, Time>,
    pub passwords: Passwords,
    pub identities: Identities,
    pub clock: Time,
    /// Whether mails are sent: then each registration asks for one that confirms its address.
    pub sends_mails: bool,
}

pub struct NewUser {
    /// The address as the user typed it.
    pub email: String,
    /// The password, not checked yet.
    pub password: SecretString,
    pub source: Source,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterUserError {
    #[error("invalid e-mail address")]
    Email(#[from] InvalidEmailAddress),
    #[error("password not allowed")]
    Password(#[from] PasswordFault),
    #[error("the address belongs to another account")]
    EmailTaken,
    /// There were too many registrations from this source. The next one is allowed after this time.
    #[error("too many registrations")]
    TooMany(Duration),
    /// The account could not be stored, or whether it is stored is unknown.
    #[error("registration is temporarily unavailable")]
    Unavailable(#[source] Failure),
}

impl From<GuessRefused> for RegisterUserError {
    fn from(refused: GuessRefused) -> Self {
        match refused {
            GuessRefused::Wait(wait) => Self::TooMany(wait),
            GuessRefused::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

impl<Store, Passwords, Identities, Time> RegisterUser<Store, Passwords, Identities, Time>
where
    Store: AccountRepository + GuessRecords,
    Passwords: PasswordHasher,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Registers a user and returns the new account.
    ///
    /// # Errors
    ///
    /// [`RegisterUserError`]
    pub async fn execute(
        &self,
        new: NewUser,
        deadline: Deadline,
    ) -> Result<Account, RegisterUserError> {
        let email = EmailAddress::parse(&new.email)?;
        check_password(new.password.expose_secret(), &email)?;
        let target = GuessTarget::Registration(new.source);
        self.guard.count(target, guess_guard::REGISTRATION).await?;
        let unavailable = RegisterUserError::Unavailable;
        let hash = self.passwords.hash(new.password).await.map_err(unavailable)?;
        let user_id = self.identities.user_id().map_err(unavailable)?;
        let now = self.clock.now();
        let stamp = EventStamp {
            event_id: self.identities.event_id(),
            schema_version: SCHEMA_VERSION,
            traceparent: new.traceparent,
        };
        let (account, event) = Account::register(user_id, email, hash, now, stamp);
        let mail = self.sends_mails.then(|| {
            let trace = event.stamp.traceparent.clone();
            new_mail(&self.identities, &account, MailPurpose::ConfirmAddress, now, trace)
        });
        let mail = mail.flatten();
        let transaction_id = self.identities.transaction_id();
        let kind = ActivityKind::Registered;
        let activity = Activity::new(&self.identities, kind, now, new.source, None);
        let registration = Registration {
            account: &account,
            event: &event,
            pending: &PendingEvent::unsent(transaction_id, now),
            activity: &activity,
            source_known_until: now.plus(lifetimes::KNOWN_SOURCE),
            mail: mail.as_ref(),
        };
        let store = |within| self.users.register(&registration, within);
        let judge = |met: &_| judge_registration(met, user_id, transaction_id);
        let stored = settle(deadline, seed(transaction_id.as_uuid()), store, judge);
        match stored.await.map_err(unavailable)? {
            Settled::Stored => {
                tracing::info!(user_id = user_id.get(), source = %new.source, "registered");
                Ok(account)
            }
            Settled::Refused(EmailTaken) => {
                let source = new.source;
                tracing::warn!(%source, "refused a registration: the address is taken");
                Err(RegisterUserError::EmailTaken)
            }
        }
    }
}
