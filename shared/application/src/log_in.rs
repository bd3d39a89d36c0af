//! Exchanges an address and a password for a session's first tokens.
//!
//! A guess is counted before it is judged ([`crate::guess_guard`]). A source from which the account
//! was logged in to before has a count of its own, so that others who guess can't keep the owner
//! out. Whether or not there is an account, the same calls are made and the same hash is computed.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::pending::PendingEvent;
use domain::user::{Account, ActivityKind, EmailAddress, PasswordHash, Session};
use secrecy::{ExposeSecret, SecretString};

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::guess_guard::{ACCOUNT, GuessGuard, NotNow, SOURCE};
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{
    AccessToken, AccessTokenIssuer, Accounts, Activity, ActivityLog, AddressDigest, Bearer,
    ChangeCancelled, Clock, GuessRecords, GuessTarget, IdentitySource, KnownSources, NewSession,
    PasswordHasher, RefreshToken, RefreshTokenSource, Source, TokenHash, TokenRecord,
    UserRepository, Whose,
};
use crate::settle::settle;

/// How long the local transaction may take, with all its tries.
const LOCAL_TRANSACTION: Duration = Duration::from_secs(3);

/// The use case with the ports it needs. `D` is everything that is stored.
pub struct LogIn<U, D, P, T, R, N, K> {
    /// Where logins are stored.
    pub users: U,
    /// Accounts, their sources and their activities.
    pub accounts: D,
    /// Counts guesses.
    pub guard: GuessGuard<D, K>,
    /// Verifies passwords.
    pub passwords: P,
    /// Issues access tokens.
    pub tokens: T,
    /// Makes refresh tokens.
    pub refresh_tokens: R,
    /// Makes identifiers.
    pub identities: N,
    /// The wall clock.
    pub clock: K,
}

/// What a login asks for.
pub struct Credentials {
    /// The address, as it was given.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// Where the request came from.
    pub source: Source,
    /// W3C Trace Context.
    pub traceparent: Option<String>,
}

/// The tokens of a session as they go to its owner.
#[derive(Debug)]
pub struct SessionTokens {
    /// What is sent with each request.
    pub access: AccessToken,
    /// What the next tokens are asked for with.
    pub refresh: SecretString,
}

/// Nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// There is no such account, or the password is another. Which of the two is nobody's business.
    #[error("the address and the password don't belong together")]
    WrongCredentials,
    /// There were too many guesses.
    #[error("too many guesses")]
    TooMany(Duration),
    /// Something that a login needs is away.
    #[error("nobody can log in right now")]
    Unavailable(#[source] Failure),
}

impl From<NotNow> for LogInError {
    fn from(not_now: NotNow) -> Self {
        match not_now {
            NotNow::Wait(wait) => Self::TooMany(wait),
            NotNow::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

/// What remains of a request once its password was verified.
struct Asked {
    password: SecretString,
    source: Source,
    traceparent: Option<String>,
}

/// A guess that was let through.
#[derive(Debug, Clone, Copy)]
struct Admitted {
    /// What it was counted of, and what a right one makes forgotten.
    target: GuessTarget,
    /// Whether the next one has to wait.
    now_waits: bool,
    /// Whether the account was logged in to from this source before.
    source_is_known: bool,
}

impl<U, D, P, T, R, N, K> LogIn<U, D, P, T, R, N, K>
where
    U: UserRepository,
    D: Accounts + ActivityLog + KnownSources + GuessRecords,
    P: PasswordHasher,
    T: AccessTokenIssuer,
    R: RefreshTokenSource,
    N: IdentitySource,
    K: Clock,
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
        // What is no address has the digest of what it is; nobody's address is that.
        let account = self.account(email.ok().as_ref()).await?;
        let hash = account.as_ref().map(Account::password_hash);
        let verified =
            self.passwords.verify(password.clone(), hash).await.map_err(LogInError::Unavailable)?;
        match account {
            Some(account) if verified => {
                let asked = Asked { password, source, traceparent };
                let begun = self.begin(account, &asked, deadline).await;
                let after = self.after_right_guess(&begun, digest, source, admitted);
                // What is not done by then is left: the login is what it is.
                drop(tokio::time::timeout(deadline.remaining(), after).await);
                begun
            }
            account => {
                self.note_failure(account.as_ref(), digest, source, admitted).await?;
                Err(LogInError::WrongCredentials)
            }
        }
    }

    async fn account(&self, email: Option<&EmailAddress>) -> Result<Option<Account>, LogInError> {
        // An address that nobody can have, so that what is none costs the same calls.
        const NOBODYS: &str = "nobody@invalid";
        let found = match email {
            Some(email) => self.accounts.by_email(email).await,
            None => match EmailAddress::parse(NOBODYS) {
                Ok(nobodys) => self.accounts.by_email(&nobodys).await.map(|_| None),
                Err(_) => Ok(None),
            },
        };
        found.map_err(LogInError::Unavailable)
    }

    async fn admit(&self, digest: AddressDigest, source: Source) -> Result<Admitted, LogInError> {
        let now = self.clock.now();
        let source_is_known =
            self.accounts.knows(digest, source, now).await.map_err(LogInError::Unavailable)?;
        if source_is_known {
            let target = GuessTarget::AccountFrom(digest, source);
            let admitted = self.guard.admit(target, ACCOUNT).await;
            if let Err(NotNow::Wait(_)) = &admitted {
                self.count_known(digest, source).await?;
                self.guard.take_back(GuessTarget::KnownSource(digest, source), SOURCE).await;
            }
            let now_waits = Self::passed(admitted, target, source)?;
            return Ok(Admitted { target, now_waits, source_is_known });
        }
        // The source first: one that has to wait must not make accounts wait.
        let of_source = GuessTarget::Source(source);
        let admitted = self.guard.admit(of_source, SOURCE).await;
        let source_now_waits = Self::passed(admitted, of_source, source)?;
        let target = GuessTarget::Account(digest);
        let admitted = self.guard.admit(target, ACCOUNT).await;
        if let Err(NotNow::Wait(_)) = &admitted {
            // No password is verified, so that nothing was tried from this source.
            self.guard.take_back(of_source, SOURCE).await;
        }
        let now_waits = Self::passed(admitted, target, source)?;
        if source_now_waits {
            tracing::warn!(%source, "further logins from this network have to wait");
        }
        Ok(Admitted { target, now_waits, source_is_known })
    }

    /// Counts a guess that was not right from a network that the account knows. Nobody waits for it: who
    /// shares a network with an owner must not learn from the time of a wrong guess that it is known, so
    /// it takes the calls that are made for another network. A right one is spared them.
    async fn count_known(&self, digest: AddressDigest, source: Source) -> Result<(), LogInError> {
        match self.guard.admit(GuessTarget::KnownSource(digest, source), SOURCE).await {
            Ok(_) | Err(NotNow::Wait(_)) => Ok(()),
            Err(NotNow::Unavailable(failure)) => Err(LogInError::Unavailable(failure)),
        }
    }

    fn passed(
        admitted: Result<bool, NotNow>,
        target: GuessTarget,
        source: Source,
    ) -> Result<bool, LogInError> {
        if let Err(NotNow::Wait(wait)) = &admitted {
            let (of, wait_s) = (target.kind(), wait.as_secs());
            tracing::warn!(%source, of, wait_s, "a login has to wait");
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

    /// Begins a session. When the account was changed meanwhile, it is tried again with what is
    /// there now.
    async fn begin(
        &self,
        mut account: Account,
        asked: &Asked,
        deadline: Deadline,
    ) -> Result<SessionTokens, LogInError> {
        let within = Deadline::after(LOCAL_TRANSACTION).or_earlier(deadline);
        let mut rehashed = self.rehashed(&account, &asked.password).await?;
        while !within.has_passed() {
            let begun = self.try_to_begin(&account, rehashed.clone(), asked, within).await?;
            if let Some(tokens) = begun {
                return Ok(tokens);
            }
            let verified = account.password_hash().clone();
            let found = self.accounts.by_id(account.user_id()).await;
            account =
                found.map_err(LogInError::Unavailable)?.ok_or(LogInError::WrongCredentials)?;
            if *account.password_hash() != verified {
                let hash = Some(account.password_hash());
                let verified = self.passwords.verify(asked.password.clone(), hash).await;
                if !verified.map_err(LogInError::Unavailable)? {
                    return Err(LogInError::WrongCredentials);
                }
                rehashed = self.rehashed(&account, &asked.password).await?;
            }
        }
        let busy = Failure::new(FailureClass::Conflict, "the account is changed all the time");
        Err(LogInError::Unavailable(busy))
    }

    /// Begins a session of an account, or tells none when it was changed meanwhile.
    async fn try_to_begin(
        &self,
        account: &Account,
        rehashed: Option<PasswordHash>,
        asked: &Asked,
        within: Deadline,
    ) -> Result<Option<SessionTokens>, LogInError> {
        let now = self.clock.now();
        let stamp = EventStamp {
            event_id: self.identities.event_id(),
            schema_version: SCHEMA_VERSION,
            traceparent: asked.traceparent.clone(),
        };
        let (after, event) = account.log_in(rehashed, now, stamp);
        let session = Session::begin(self.identities.session_id(), &after, now);
        let bearer = Bearer { user_id: after.user_id(), session_id: session.id };
        let access = self.tokens.issue(bearer, now).await.map_err(LogInError::Unavailable)?;
        let secret = self.refresh_tokens.secret().map_err(LogInError::Unavailable)?;
        let refresh = RefreshToken::issued(session.id, &secret);
        let transaction_id = self.identities.transaction_id();
        let login = NewSession {
            account: &after,
            session: &session,
            event: &event,
            // No broker is on the way: the sweep publishes it.
            pending: &PendingEvent::unsent(transaction_id, now),
            token: &TokenRecord {
                hash: TokenHash::of(refresh.expose_secret()),
                expires_at: session.token_expires_at(now),
            },
            activity: &self.activity(ActivityKind::LoggedIn, asked.source, Some(&session)),
        };
        let stored = settle(within, seed(transaction_id.as_uuid()), |within| {
            self.users.log_in(&login, within)
        });
        match stored.await.map_err(LogInError::Unavailable)? {
            Ok(()) => {
                let user_id = after.user_id().get();
                tracing::info!(user_id, source = %asked.source, session_id = %session.id, "logged in");
                Ok(Some(SessionTokens { access, refresh }))
            }
            Err(ChangeCancelled::Stale | ChangeCancelled::Busy) => Ok(None),
        }
    }

    /// After a right guess, which counts no more, also where no session began because something was
    /// away. None of it makes the login fail.
    async fn after_right_guess(
        &self,
        begun: &Result<SessionTokens, LogInError>,
        digest: AddressDigest,
        source: Source,
        admitted: Admitted,
    ) {
        match begun {
            Ok(_) => self.guard.forgive(admitted.target).await,
            Err(LogInError::Unavailable(_)) => self.guard.take_back(admitted.target, ACCOUNT).await,
            // The password was changed meanwhile, and is not right any more.
            Err(_) => return,
        }
        if !admitted.source_is_known {
            self.guard.take_back(GuessTarget::Source(source), SOURCE).await;
        }
        if begun.is_err() {
            return;
        }
        let until = self.clock.now().plus(lifetimes::KNOWN_SOURCE);
        if let Err(failure) = self.accounts.remember(digest, source, until).await {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "the source of a login is not remembered"
            );
        }
    }

    async fn note_failure(
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
        let whose = user_id.map_or(Whose::Nobody(digest), Whose::User);
        let user_id = user_id.map(|user_id| user_id.get());
        tracing::warn!(user_id, %source, "refused a login");
        let failed = self.activity(ActivityKind::LoginFailed, source, None);
        self.accounts.record(whose, &failed).await.map_err(LogInError::Unavailable)?;
        if admitted.now_waits {
            tracing::warn!(user_id, %source, "further logins have to wait");
            let locked = self.activity(ActivityKind::Locked, source, None);
            self.accounts.record(whose, &locked).await.map_err(LogInError::Unavailable)?;
        }
        Ok(())
    }

    fn activity(&self, kind: ActivityKind, source: Source, session: Option<&Session>) -> Activity {
        Activity {
            id: self.identities.activity_id(),
            kind,
            at: self.clock.now(),
            source,
            session: session.map(|session| session.id),
        }
    }
}
