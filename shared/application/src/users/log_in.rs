//! Exchanges an address and a password for a session's first tokens.
//!
//! A guess is counted before it is checked ([`crate::users::guess_guard`]). A source from which the
//! account was logged in to before has a separate count, so that attackers elsewhere can't keep the
//! owner out. Whether or not there is an account, the same calls are made and the same hash is
//! computed.
//!
//! Right passwords are limited as well, by the account: each login is a hash, a session and an
//! event. That limit is looked at after the password, so that it says nothing to somebody who does
//! not know it. A right password that this limit refuses stays counted as a guess, so that the
//! guard refuses anyone who keeps trying, before a hash is computed.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::account::{Account, ActivityKind, EmailAddress, MustWait, PasswordHash, Session};
use domain::event::EventStamp;
use domain::identity::{SessionId, UserId};
use domain::pending::PendingEvent;
use secrecy::{ExposeSecret, SecretString};

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::{
    AccessToken, AccessTokenIssuer, AccountRepository, Accounts, Activity, ActivityLog,
    ActivityOwner, AddressDigest, Bearer, Clock, GuessRecords, GuessTarget, IdentitySource,
    KnownSources, NewSession, PasswordHasher, RefreshToken, RefreshTokenSource, Source, TokenHash,
    TokenRecord,
};
use crate::users::guess_guard::{ACCOUNT, GuessGuard, GuessRefused, SOURCE};
use crate::users::judging::{Settled, Stale, judge_login};
use crate::users::settle::{Tries, local_transaction, settle};

/// Logs users in. `Store` has accounts, sources, activities and guesses.
pub struct LogIn<Store, Passwords, Issuer, RefreshTokens, Identities, Time> {
    pub users: Store,
    pub guard: GuessGuard<Store, Time>,
    /// Verifies passwords, and makes a new hash if the stored one is outdated.
    pub passwords: Passwords,
    pub tokens: Issuer,
    pub refresh_tokens: RefreshTokens,
    pub identities: Identities,
    pub clock: Time,
}

pub struct Credentials {
    /// The address as the user typed it.
    pub email: String,
    pub password: SecretString,
    pub source: Source,
    /// W3C Trace Context of the request, if it carried one.
    pub traceparent: Option<String>,
}

/// The tokens that a client gets for a session.
#[derive(Debug)]
pub struct SessionTokens {
    pub access: AccessToken,
    /// The refresh token, which is exchanged for the next tokens.
    pub refresh: SecretString,
}

#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// There is no such account, or the password is wrong. The answer must not show which.
    #[error("wrong e-mail address or password")]
    WrongCredentials,
    /// There were too many guesses. The next one is allowed after this time.
    #[error("too many guesses")]
    TooMany(Duration),
    /// The password is right, but there were too many logins. The next one is allowed after this
    /// time.
    #[error("too many logins")]
    TooManyLogins(Duration),
    /// A table, the password hasher or the signing key is unavailable.
    #[error("login is temporarily unavailable")]
    Unavailable(#[source] Failure),
}

impl From<GuessRefused> for LogInError {
    fn from(refused: GuessRefused) -> Self {
        match refused {
            GuessRefused::Wait(wait) => Self::TooMany(wait),
            GuessRefused::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

/// The parts of a request that are needed after its password was verified.
struct Verified {
    password: SecretString,
    source: Source,
    traceparent: Option<String>,
}

/// A guess that was let through.
#[derive(Debug, Clone, Copy)]
struct Admitted {
    /// The target that counted it. A right guess resets the count.
    target: GuessTarget,
    /// Whether the next guess has to wait.
    now_waits: bool,
    /// Whether the account was logged in to from this source before.
    source_is_known: bool,
}

impl<Store, Passwords, Issuer, RefreshTokens, Identities, Time>
    LogIn<Store, Passwords, Issuer, RefreshTokens, Identities, Time>
where
    Store: Accounts + AccountRepository + ActivityLog + KnownSources + GuessRecords,
    Passwords: PasswordHasher,
    Issuer: AccessTokenIssuer,
    RefreshTokens: RefreshTokenSource,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Logs in.
    ///
    /// # Errors
    ///
    /// [`LogInError`]; never tokens when something couldn't be read or counted.
    pub async fn execute(
        &self,
        credentials: Credentials,
        deadline: Deadline,
    ) -> Result<SessionTokens, LogInError> {
        let Credentials { email, password, source, traceparent } = credentials;
        let email = EmailAddress::parse(&email).map_err(|_| AddressDigest::of_text(&email));
        let digest = email.as_ref().map_or_else(|digest| *digest, AddressDigest::of);
        let admitted = self.admit(digest, source).await?;
        // Text that is not an address is hashed as is; no account can match it.
        let account = self.account(email.ok().as_ref()).await?;
        let hash = account.as_ref().map(Account::password_hash);
        let verified =
            self.passwords.verify(password.clone(), hash).await.map_err(LogInError::Unavailable)?;
        match account {
            Some(account) if verified => {
                let request = Verified { password, source, traceparent };
                let user_id = account.user_id();
                let begun = self.begin(account, &request, deadline).await;
                let after = self.after_right_guess(&begun, user_id, digest, source, admitted);
                // What is not done by the deadline is skipped; the result of the login stays the
                // same.
                drop(tokio::time::timeout(deadline.remaining(), after).await);
                begun
            }
            account => {
                self.record_failure(account.as_ref(), digest, source, admitted).await?;
                Err(LogInError::WrongCredentials)
            }
        }
    }

    async fn account(&self, email: Option<&EmailAddress>) -> Result<Option<Account>, LogInError> {
        // An address that no account can have, so that invalid text costs the same calls.
        const UNUSED: &str = "nobody@invalid";
        let found = match email {
            Some(email) => self.users.by_email(email).await,
            None => match EmailAddress::parse(UNUSED) {
                Ok(unused) => self.users.by_email(&unused).await.map(|_| None),
                Err(_) => Ok(None),
            },
        };
        found.map_err(LogInError::Unavailable)
    }

    async fn admit(&self, digest: AddressDigest, source: Source) -> Result<Admitted, LogInError> {
        let now = self.clock.now();
        let source_is_known =
            self.users.knows(digest, source, now).await.map_err(LogInError::Unavailable)?;
        if source_is_known {
            let target = GuessTarget::AccountFrom(digest, source);
            let admitted = self.guard.admit(target, ACCOUNT).await;
            if let Err(GuessRefused::Wait(_)) = &admitted {
                self.count_known(digest, source).await?;
                self.guard.take_back(GuessTarget::KnownSource(digest, source), SOURCE).await;
            }
            let now_waits = Self::log_wait(admitted, target, source)?;
            return Ok(Admitted { target, now_waits, source_is_known });
        }
        // The source first: a source that has to wait must not make accounts wait.
        let source_target = GuessTarget::Source(source);
        let admitted = self.guard.admit(source_target, SOURCE).await;
        let source_now_waits = Self::log_wait(admitted, source_target, source)?;
        let target = GuessTarget::Account(digest);
        let admitted = self.guard.admit(target, ACCOUNT).await;
        if let Err(GuessRefused::Wait(_)) = &admitted {
            // No password is verified, so this does not count as a guess from the source.
            self.guard.take_back(source_target, SOURCE).await;
        }
        let now_waits = Self::log_wait(admitted, target, source)?;
        if source_now_waits {
            tracing::warn!(%source, "further logins from this network have to wait");
        }
        Ok(Admitted { target, now_waits, source_is_known })
    }

    /// Counts a wrong guess from a network that the account knows. Nobody has to wait because of
    /// this count. It makes the same calls as a guess from another network, so that an attacker who
    /// shares a network with the owner can't learn from the response time that the network is
    /// known. A right guess does not make these calls.
    async fn count_known(&self, digest: AddressDigest, source: Source) -> Result<(), LogInError> {
        match self.guard.count(GuessTarget::KnownSource(digest, source), SOURCE).await {
            Ok(()) | Err(GuessRefused::Wait(_)) => Ok(()),
            Err(GuessRefused::Unavailable(failure)) => Err(LogInError::Unavailable(failure)),
        }
    }

    fn log_wait(
        admitted: Result<bool, GuessRefused>,
        target: GuessTarget,
        source: Source,
    ) -> Result<bool, LogInError> {
        if let Err(GuessRefused::Wait(wait)) = &admitted {
            let (counted, wait_s) = (target.kind(), wait.as_secs());
            tracing::warn!(%source, counted, wait_s, "a login has to wait");
        }
        Ok(admitted?)
    }

    async fn rehashed(
        &self,
        account: &Account,
        password: &SecretString,
    ) -> Result<Option<PasswordHash>, LogInError> {
        if !self.passwords.is_outdated(account.password_hash()) {
            return Ok(None);
        }
        let hash = self.passwords.hash(password.clone()).await.map_err(LogInError::Unavailable)?;
        Ok(Some(hash))
    }

    /// Begins a session. If the account was changed meanwhile, reads it again and retries.
    async fn begin(
        &self,
        mut account: Account,
        request: &Verified,
        deadline: Deadline,
    ) -> Result<SessionTokens, LogInError> {
        // The time of a new hash counts as well.
        let within = local_transaction(deadline);
        let mut rehashed = self.rehashed(&account, &request.password).await?;
        let tries = Tries::by(within);
        loop {
            let within = tries.next().map_err(LogInError::Unavailable)?;
            let begun = self.try_to_begin(&account, rehashed.clone(), request, within).await?;
            if let Some(tokens) = begun {
                return Ok(tokens);
            }
            let verified = account.password_hash().clone();
            let found = self.users.by_id(account.user_id()).await;
            account =
                found.map_err(LogInError::Unavailable)?.ok_or(LogInError::WrongCredentials)?;
            if *account.password_hash() != verified {
                let hash = Some(account.password_hash());
                let verified = self.passwords.verify(request.password.clone(), hash).await;
                if !verified.map_err(LogInError::Unavailable)? {
                    return Err(LogInError::WrongCredentials);
                }
                rehashed = self.rehashed(&account, &request.password).await?;
            }
        }
    }

    /// Begins a session of an account. `None` if the account was changed meanwhile.
    async fn try_to_begin(
        &self,
        account: &Account,
        rehashed: Option<PasswordHash>,
        request: &Verified,
        within: Deadline,
    ) -> Result<Option<SessionTokens>, LogInError> {
        let now = self.clock.now();
        let stamp = EventStamp {
            event_id: self.identities.event_id(),
            schema_version: SCHEMA_VERSION,
            traceparent: request.traceparent.clone(),
        };
        let (after, event) = account
            .log_in(rehashed, now, stamp)
            .map_err(|MustWait(wait)| LogInError::TooManyLogins(wait))?;
        let session = Session::begin(self.identities.session_id(), &after, now);
        let bearer = Bearer { user_id: after.user_id(), session_id: session.id() };
        let access = self.tokens.issue(bearer, now).await.map_err(LogInError::Unavailable)?;
        let secret = self.refresh_tokens.secret().map_err(LogInError::Unavailable)?;
        let refresh = RefreshToken::issued(session.id(), &secret);
        let transaction_id = self.identities.transaction_id();
        let login = NewSession {
            account: &after,
            session: &session,
            event: &event,
            pending: &PendingEvent::unsent(transaction_id, now),
            token: &TokenRecord {
                hash: TokenHash::of(refresh.expose_secret()),
                expires_at: session.token_expires_at(now),
            },
            activity: &self.activity(ActivityKind::LoggedIn, request.source, Some(session.id())),
        };
        let store = |within| self.users.log_in(&login, within);
        let judge = |met: &_| judge_login(met, transaction_id);
        let stored = settle(within, seed(transaction_id.as_uuid()), store, judge);
        match stored.await.map_err(LogInError::Unavailable)? {
            Settled::Stored => {
                let (user_id, source) = (after.user_id().get(), request.source);
                tracing::info!(user_id, %source, session_id = %session.id(), "logged in");
                Ok(Some(SessionTokens { access, refresh }))
            }
            Settled::Refused(Stale) => Ok(None),
        }
    }

    /// Takes back the counts of a right guess, also if no session began because something was
    /// unavailable, and remembers the source. A failure here does not make the login fail.
    async fn after_right_guess(
        &self,
        begun: &Result<SessionTokens, LogInError>,
        user_id: UserId,
        digest: AddressDigest,
        source: Source,
        admitted: Admitted,
    ) {
        match begun {
            Ok(_) => self.guard.forgive(admitted.target).await,
            Err(LogInError::Unavailable(_)) => self.guard.take_back(admitted.target, ACCOUNT).await,
            Err(LogInError::TooManyLogins(wait)) => {
                self.record_limited(user_id, source, *wait).await;
            }
            // The password was changed meanwhile, so it is not right any more.
            Err(_) => return,
        }
        if !admitted.source_is_known {
            self.guard.take_back(GuessTarget::Source(source), SOURCE).await;
        }
        if begun.is_err() {
            return;
        }
        let until = self.clock.now().plus(lifetimes::KNOWN_SOURCE);
        if let Err(failure) = self.users.remember(digest, source, until).await {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "could not remember the source of a login"
            );
        }
    }

    /// Records a right password that came after too many logins: the owner must see that somebody
    /// knows the password, even if no session began.
    async fn record_limited(&self, user_id: UserId, source: Source, wait: Duration) {
        let wait_s = wait.as_secs();
        tracing::warn!(user_id = user_id.get(), %source, wait_s, "too many logins to an account");
        let limited = self.activity(ActivityKind::LoginLimited, source, None);
        if let Err(failure) = self.users.record(ActivityOwner::User(user_id), &limited).await {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "could not record a login that has to wait"
            );
        }
    }

    async fn record_failure(
        &self,
        account: Option<&Account>,
        digest: AddressDigest,
        source: Source,
        admitted: Admitted,
    ) -> Result<(), LogInError> {
        if admitted.source_is_known {
            self.count_known(digest, source).await?;
        }
        let user_id = account.map(|account| account.user_id());
        let owner = user_id.map_or(ActivityOwner::UnknownAddress(digest), ActivityOwner::User);
        let user_id = user_id.map(|user_id| user_id.get());
        tracing::warn!(user_id, %source, "refused a login");
        let failed = self.activity(ActivityKind::LoginFailed, source, None);
        self.users.record(owner, &failed).await.map_err(LogInError::Unavailable)?;
        if admitted.now_waits {
            tracing::warn!(user_id, %source, "further logins have to wait");
            let locked = self.activity(ActivityKind::Locked, source, None);
            self.users.record(owner, &locked).await.map_err(LogInError::Unavailable)?;
        }
        Ok(())
    }

    fn activity(&self, kind: ActivityKind, source: Source, session: Option<SessionId>) -> Activity {
        Activity::new(&self.identities, kind, self.clock.now(), source, session)
    }
}
