//! Sessions and their refresh tokens.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    Activity, ActivityOwner, ChangeCancelled, Exchange, FoundToken, RefreshToken, Rotation,
    Sessions,
};
use domain::identity::SessionId;
use domain::user::{Account, AccountRecord, Session};

use super::MemoryTables;
use crate::fault::Operation;

impl Sessions for MemoryTables {
    async fn by_token(&self, token: RefreshToken) -> Result<Option<FoundToken>, Failure> {
        self.read(Operation::FindSession, |rows| {
            let row = rows.sessions.get(&token.session)?;
            let session = row.session;
            if row.token.hash == token.hash {
                return Some(FoundToken::Newest { session, expires_at: row.token.expires_at });
            }
            if let Some((_, exchange)) =
                row.exchange.as_ref().filter(|(used, _)| *used == token.hash)
            {
                return Some(FoundToken::Exchanged { session, exchange: exchange.clone() });
            }
            rows.used_tokens.contains(&token.hash).then_some(FoundToken::Used { session })
        })
        .await
    }

    async fn by_id(&self, session: SessionId) -> Result<Option<Session>, Failure> {
        self.read(Operation::FindSession, |rows| rows.sessions.get(&session).map(|row| row.session))
            .await
    }

    async fn rotate(
        &self,
        rotation: &Rotation<'_>,
        deadline: Deadline,
    ) -> WriteTry<ChangeCancelled> {
        let Rotation { session, used, next, salt, at, uses_before, uses, activity } =
            rotation.clone();
        let exchange = Exchange { salt: salt.to_owned(), at };
        let (session, next, activity) = (*session, *next, activity.clone());
        self.write(Operation::Rotate, deadline, ChangeCancelled::Busy, move |rows| {
            let account =
                rows.accounts.get_mut(&session.user_id()).and_then(|row| row.live.as_mut());
            let account = account.map(|(account, _)| account).filter(|account| {
                account.session_epoch() == session.epoch()
                    && account.record().exchanges == uses_before
            });
            let row = rows.sessions.get_mut(&session.id()).ok_or(ChangeCancelled::Stale)?;
            if row.token.hash == next.hash {
                return Ok(());
            }
            if row.token.hash != used || row.session.has_ended() {
                return Err(ChangeCancelled::Stale);
            }
            let account = account.ok_or(ChangeCancelled::Stale)?;
            let record = account.record().clone();
            *account = Account::rehydrate(AccountRecord { exchanges: uses, ..record });
            row.token = next;
            row.exchange = Some((used, exchange));
            rows.used_tokens.insert(used);
            rows.record(ActivityOwner::User(session.user_id()), activity);
            Ok(())
        })
        .await
    }

    async fn end(
        &self,
        session: &Session,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<ChangeCancelled> {
        let (session, activity) = (*session, activity.clone());
        self.write(Operation::EndSession, deadline, ChangeCancelled::Busy, move |rows| {
            let row = rows.sessions.get_mut(&session.id()).ok_or(ChangeCancelled::Stale)?;
            if row.session.has_ended() {
                return Err(ChangeCancelled::Stale);
            }
            row.session = row.session.end();
            rows.record(ActivityOwner::User(session.user_id()), activity);
            Ok(())
        })
        .await
    }
}
