//! Ends one session, or all sessions of a user.

use domain::account::ActivityKind;
use domain::identity::SessionId;
use secrecy::SecretString;

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::ports::{
    AccountChange, AccountRepository, Accounts, Activity, Bearer, Clock, IdentitySource,
    RefreshToken, Sessions, Source,
};
use crate::users::judging::{judge_change, judge_end};
use crate::users::settle::{Tries, settle};
use crate::users::show_account::{ShowAccount, ShowAccountError};

/// Ends sessions. `Store` has accounts and sessions.
pub struct LogOut<Store, Identities, Time> {
    /// Reads the bearer's account, if its session is good.
    pub show: ShowAccount<Store, Time>,
    pub users: Store,
    pub identities: Identities,
    pub clock: Time,
}

impl<Store, Identities, Time> LogOut<Store, Identities, Time>
where
    Store: Accounts + Sessions + AccountRepository,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Ends the session of a refresh token, used or not. An invalid token has no session, so it is
    /// a success as well (RFC 7009, section 2.2).
    ///
    /// # Errors
    ///
    /// [`Failure`] if the session is not known to have ended.
    pub async fn one(
        &self,
        token: &SecretString,
        source: Source,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Some(token) = RefreshToken::read(token) else { return Ok(()) };
        let found = self.users.by_token(token).await?;
        let Some(session) = found.map(|found| *found.session()) else { return Ok(()) };
        let account = Accounts::by_id(&self.users, session.user_id()).await?;
        if !account.is_some_and(|account| session.is_good(&account, self.clock.now())) {
            return Ok(());
        }
        let activity = self.activity(ActivityKind::LoggedOut, source, session.id());
        let end = |within| self.users.end(&session, &activity, within);
        // A session that is gone, or that another request ended, has ended as well.
        settle(deadline, seed(session.id().as_uuid()), end, judge_end).await?;
        let user_id = session.user_id().get();
        tracing::info!(user_id, %source, session_id = %session.id(), "logged out");
        Ok(())
    }

    /// Ends all sessions of a user. Their access tokens stay good until they expire.
    ///
    /// # Errors
    ///
    /// [`ShowAccountError`]: the bearer's own session is over, or the sessions are not known to
    /// have ended.
    pub async fn everywhere(
        &self,
        bearer: Bearer,
        source: Source,
        deadline: Deadline,
    ) -> Result<(), ShowAccountError> {
        let unavailable = ShowAccountError::Unavailable;
        let tries = Tries::by(deadline);
        loop {
            let within = tries.next().map_err(unavailable)?;
            let account = self.show.execute(bearer).await?;
            let attempt = self.identities.transaction_id();
            let kind = ActivityKind::LoggedOutEverywhere;
            let change = AccountChange {
                account: &account.end_sessions(),
                attempt,
                keep: None,
                activity: &self.activity(kind, source, bearer.session_id),
            };
            let store = |within| self.users.change(&change, within);
            let judge = |met: &_| judge_change(met, attempt);
            let changed = settle(within, seed(attempt.as_uuid()), store, judge);
            if changed.await.map_err(unavailable)?.is_stored() {
                break;
            }
        }
        let Bearer { user_id, session_id } = bearer;
        let user_id = user_id.get();
        tracing::info!(user_id, %source, %session_id, "logged out everywhere");
        Ok(())
    }

    fn activity(&self, kind: ActivityKind, source: Source, session: SessionId) -> Activity {
        Activity::new(&self.identities, kind, self.clock.now(), source, Some(session))
    }
}
