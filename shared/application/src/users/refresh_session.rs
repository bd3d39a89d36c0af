//! Exchanges a refresh token for the session's next tokens.
//!
//! A token is good for one exchange. If it comes a second time, it or its successor was stolen: the
//! session ends for everybody (RFC 9700, section 4.14.2). Two browser tabs, or a retry after a lost
//! answer, also send a token twice: so for ten seconds, and until its successor is used, the same
//! exchange is answered again with the same successor.

use std::time::Duration;

use domain::account::{Account, ActivityKind, MustWait, Session};
use domain::timestamp::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::ports::{
    AccessToken, AccessTokenIssuer, Accounts, Activity, Bearer, Clock, Exchange, FoundToken,
    IdentitySource, NewExchange, RefreshToken, RefreshTokenSource, Sessions, Source, TokenHash,
    TokenRecord,
};
use crate::users::judging::{Settled, Stale, judge_end, judge_exchange};
use crate::users::log_in::SessionTokens;
use crate::users::settle::{Tries, settle};

/// How long an exchange is answered again. Auth0, Okta and Supabase have 10 to 30 s.
pub const REUSE_INTERVAL: Duration = Duration::from_secs(10);

/// Refreshes sessions. `Store` has accounts and sessions.
pub struct RefreshSession<Store, Issuer, RefreshTokens, Identities, Time> {
    pub users: Store,
    pub tokens: Issuer,
    pub refresh_tokens: RefreshTokens,
    pub identities: Identities,
    pub clock: Time,
}

#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The token is not good. The reason is for the log alone.
    #[error("invalid refresh token: {0}")]
    Invalid(&'static str),
    /// The token is good, but there were too many exchanges of the account's tokens. The next one
    /// is allowed after this time.
    #[error("too many exchanges")]
    TooMany(Duration),
    /// A table or the signing key is unavailable.
    #[error("refreshing is temporarily unavailable")]
    Unavailable(#[source] Failure),
}

impl<Store, Issuer, RefreshTokens, Identities, Time>
    RefreshSession<Store, Issuer, RefreshTokens, Identities, Time>
where
    Store: Accounts + Sessions,
    Issuer: AccessTokenIssuer,
    RefreshTokens: RefreshTokenSource,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Exchanges a token. If the token or its session was changed meanwhile, reads both again and
    /// retries.
    ///
    /// # Errors
    ///
    /// [`RefreshError`]
    pub async fn execute(
        &self,
        token: &SecretString,
        source: Source,
        deadline: Deadline,
    ) -> Result<SessionTokens, RefreshError> {
        let Some(hashed) = RefreshToken::read(token) else {
            return Err(RefreshError::Invalid("it is malformed"));
        };
        let tries = Tries::by(deadline);
        loop {
            let within = tries.next().map_err(RefreshError::Unavailable)?;
            let found = self.users.by_token(hashed).await.map_err(RefreshError::Unavailable)?;
            let Some(found) = found else {
                return Err(RefreshError::Invalid("it is unknown"));
            };
            let session = *found.session();
            let account = Accounts::by_id(&self.users, session.user_id()).await;
            let account = account.map_err(RefreshError::Unavailable)?;
            let now = self.clock.now();
            // Before anything is written: a token of a session that is over must not cause a write.
            let Some(account) = account.filter(|account| session.is_good(account, now)) else {
                return Err(RefreshError::Invalid("its session has ended"));
            };
            match found {
                FoundToken::Exchanged { exchange, .. }
                    if now.since(exchange.at) <= REUSE_INTERVAL =>
                {
                    return self.answer_again(session, token, &exchange, source).await;
                }
                FoundToken::Exchanged { .. } | FoundToken::Used { .. } => {
                    return self.end(session, source, within).await;
                }
                FoundToken::Newest { expires_at, .. } if now >= expires_at => {
                    return Err(RefreshError::Invalid("it has expired"));
                }
                FoundToken::Newest { .. } => {}
            }
            let pair = (token, hashed.hash);
            if let Some(tokens) = self.exchange((session, &account), pair, source, within).await? {
                return Ok(tokens);
            }
        }
    }

    /// Makes one exchange. `None` if the token, its session or the account was changed meanwhile.
    async fn exchange(
        &self,
        (session, account): (Session, &Account),
        (token, used): (&SecretString, TokenHash),
        source: Source,
        within: Deadline,
    ) -> Result<Option<SessionTokens>, RefreshError> {
        let now = self.clock.now();
        let uses = account.exchange(now).map_err(|MustWait(wait)| {
            let (user_id, wait_s) = (session.user_id().get(), wait.as_secs());
            tracing::warn!(user_id, %source, wait_s, "too many exchanges of an account's tokens");
            RefreshError::TooMany(wait)
        })?;
        let access = self.access(session, now).await?;
        let salt = self.refresh_tokens.secret().map_err(RefreshError::Unavailable)?;
        let refresh = self.successor(session, token, salt.expose_secret())?;
        let next = TokenRecord {
            hash: TokenHash::of(refresh.expose_secret()),
            expires_at: session.token_expires_at(now),
        };
        let activity = self.activity(ActivityKind::Refreshed, source, &session);
        let new = NewExchange {
            session: &session,
            used,
            next: &next,
            salt: salt.expose_secret(),
            at: now,
            uses_before: account.record().exchanges,
            uses,
            activity: &activity,
        };
        let exchange = |within| self.users.exchange(&new, within);
        let judge = |met: &_| judge_exchange(met, next.hash);
        let stored = settle(within, seed(session.id().as_uuid()), exchange, judge);
        match stored.await {
            Ok(Settled::Stored) => {}
            Ok(Settled::Refused(Stale)) => return Ok(None),
            // A client that tries again sends a token that may be used already, which would end its
            // session. So its successor is looked up once more.
            Err(failure) => {
                let next = RefreshToken { session: session.id(), hash: next.hash };
                let found = self.users.by_token(next).await;
                if !found.is_ok_and(|successor| successor.is_some()) {
                    return Err(RefreshError::Unavailable(failure));
                }
            }
        }
        let user_id = session.user_id().get();
        tracing::info!(user_id, %source, session_id = %session.id(), "refreshed a session");
        Ok(Some(SessionTokens { access, refresh }))
    }

    /// Answers a stored exchange again. Nothing is written.
    async fn answer_again(
        &self,
        session: Session,
        token: &SecretString,
        exchange: &Exchange,
        source: Source,
    ) -> Result<SessionTokens, RefreshError> {
        let refresh = self.successor(session, token, &exchange.salt)?;
        let access = self.access(session, self.clock.now()).await?;
        let user_id = session.user_id().get();
        tracing::info!(
            user_id,
            %source,
            session_id = %session.id(),
            "answered an exchange again"
        );
        Ok(SessionTokens { access, refresh })
    }

    async fn access(&self, session: Session, now: Timestamp) -> Result<AccessToken, RefreshError> {
        let bearer = Bearer { user_id: session.user_id(), session_id: session.id() };
        self.tokens.issue(bearer, now).await.map_err(RefreshError::Unavailable)
    }

    fn successor(
        &self,
        session: Session,
        token: &SecretString,
        salt: &str,
    ) -> Result<SecretString, RefreshError> {
        let secret = self.refresh_tokens.successor(token, salt);
        let secret = secret.map_err(RefreshError::Unavailable)?;
        Ok(RefreshToken::issued(session.id(), &secret))
    }

    /// Ends the session of a token that came twice.
    async fn end(
        &self,
        session: Session,
        source: Source,
        within: Deadline,
    ) -> Result<SessionTokens, RefreshError> {
        let activity = self.activity(ActivityKind::RefreshReused, source, &session);
        let end = |within| self.users.end(&session, &activity, within);
        let ended = settle(within, seed(session.id().as_uuid()), end, judge_end);
        // A session that is gone, or that another request ended, has ended as well.
        ended.await.map_err(RefreshError::Unavailable)?;
        let user_id = session.user_id().get();
        tracing::warn!(
            user_id,
            %source,
            session_id = %session.id(),
            "a refresh token was used twice; its session has ended"
        );
        Err(RefreshError::Invalid("it was used before"))
    }

    fn activity(&self, kind: ActivityKind, source: Source, session: &Session) -> Activity {
        Activity::new(&self.identities, kind, self.clock.now(), source, Some(session.id()))
    }
}
