use std::future::Future;

use domain::account::{Account, RateUse, Session, UserEvent};
use domain::identity::SessionId;
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;

use crate::deadline::Deadline;
use crate::outcome::{Failure, ItemReason, WriteTry};
use crate::ports::{Activity, RefreshToken, TokenHash, TokenRecord};

/// The local transaction of a login: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// The account after the login. Its version is one higher than the stored version.
    pub account: &'a Account,
    /// The new session. Its `UserLoggedIn` is pending in it.
    pub session: &'a Session,
    /// Its `UserLoggedIn`, whose pending entry is `pending`.
    pub event: &'a UserEvent,
    /// The pending entry. Its `transaction_id` identifies the attempt.
    pub pending: &'a PendingEvent,
    /// The first refresh token, which is stored in the session.
    pub token: &'a TokenRecord,
    /// The activity that the user can look up.
    pub activity: &'a Activity,
}

/// A refresh token that was found, with its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundToken {
    /// The token is the session's newest one.
    Newest {
        /// The session of the token.
        session: Session,
        /// When the token expires.
        expires_at: Timestamp,
    },
    /// The token was exchanged for the session's newest one.
    Exchanged {
        /// The session of the token.
        session: Session,
        /// The exchange, which is answered again for a while.
        exchange: Exchange,
    },
    /// The token was exchanged earlier.
    Used {
        /// The session of the token.
        session: Session,
    },
}

impl FoundToken {
    /// The session of the token.
    pub const fn session(&self) -> &Session {
        match self {
            Self::Newest { session, .. }
            | Self::Exchanged { session, .. }
            | Self::Used { session } => session,
        }
    }
}

/// What is stored about a session's latest exchange, so that it can be answered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The successor is computed from this salt and the exchanged token.
    pub salt: String,
    /// When the exchange was made, by the wall clock of the process that made it. For a while after
    /// that, the exchange is answered again.
    pub at: Timestamp,
}

/// The exchange of a refresh token: all of it is stored, or nothing.
#[derive(Debug, Clone)]
pub struct NewExchange<'a> {
    /// The session of both tokens.
    pub session: &'a Session,
    /// The token that is exchanged.
    pub used: TokenHash,
    /// The new token, which becomes the newest of the session.
    pub next: &'a TokenRecord,
    /// The new token is computed from this salt and the exchanged token.
    pub salt: &'a str,
    /// When the exchange is made, by the wall clock.
    pub at: Timestamp,
    /// The use of the account's exchanges before this one.
    pub uses_before: RateUse,
    /// The use of the account's exchanges with this one.
    pub uses: RateUse,
    /// The activity that the user can look up.
    pub activity: &'a Activity,
}

/// What a cancelled exchange of a refresh token met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledExchange {
    /// The session, with its newest token. Its condition fails if it has another newest token than
    /// the one that is exchanged, has ended, or is gone.
    pub session: ItemReason<TokenHash>,
    /// The account. Its condition fails if its epoch or the use of its exchanges is another one.
    pub account: ItemReason<()>,
}

/// Reads, refreshes and ends sessions. A login begins them.
pub trait Sessions: Send + Sync {
    /// A refresh token with its session, used or not, by a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_token(
        &self,
        token: RefreshToken,
    ) -> impl Future<Output = Result<Option<FoundToken>, Failure>> + Send;

    /// A session, by a consistent read.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn by_id(
        &self,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>, Failure>> + Send;

    /// Makes one try, within `deadline`, to exchange a token. It MUST store the exchange only if
    /// the token is the session's newest, the session is not ended, the account has the session's
    /// epoch, and its exchanges are used as far as `uses_before`: of any number of exchanges of one
    /// token at most one is stored, none after all of the account's sessions were ended, and none
    /// that is not counted. It MUST NOT change the account otherwise. A second call stores nothing,
    /// and MUST report the session with the token of the first one.
    fn exchange(
        &self,
        exchange: &NewExchange<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<CancelledExchange>> + Send;

    /// Makes one try, within `deadline`, to end a session. The condition of a session that has
    /// ended already, or is gone, MUST fail, and then no activity is stored.
    fn end(
        &self,
        session: &Session,
        activity: &Activity,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<ItemReason<()>>> + Send;
}
