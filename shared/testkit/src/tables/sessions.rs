//! Sessions and their refresh tokens.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    Activity, ChangeCancelled, FoundToken, Rotation, Sessions, TokenHash, Whose,
};
use domain::identity::SessionId;
use domain::user::Session;

use super::MemoryTables;
use super::rows::StoredToken;
use crate::fault::Operation;

impl Sessions for MemoryTables {
    async fn by_token(&self, token: TokenHash) -> Result<Option<FoundToken>, Failure> {
        self.read(Operation::FindSession, |rows| {
            let stored = rows.tokens.get(&token)?;
            let session = *rows.sessions.get(&stored.session)?;
            let used = stored.successor.is_some();
            Some(FoundToken { expires_at: stored.expires_at, used, session })
        })
        .await
    }

    async fn by_id(&self, session: SessionId) -> Result<Option<Session>, Failure> {
        self.read(Operation::FindSession, |rows| rows.sessions.get(&session).copied()).await
    }

    async fn rotate(
        &self,
        rotation: &Rotation<'_>,
        deadline: Deadline,
    ) -> WriteTry<ChangeCancelled> {
        let Rotation { session, used, next, activity } = rotation.clone();
        let (session, next, activity) = (*session, *next, activity.clone());
        self.write(Operation::Rotate, deadline, ChangeCancelled::Busy, move |rows| {
            let has_ended = rows.sessions.get(&session.id).is_none_or(|session| session.ended)
                || rows
                    .accounts
                    .get(&session.user_id)
                    .is_none_or(|stored| stored.account.session_epoch() != session.epoch);
            let stored = rows.tokens.get_mut(&used).ok_or(ChangeCancelled::Stale)?;
            match stored.successor {
                Some(successor) if successor == next.hash => return Ok(()),
                Some(_) => return Err(ChangeCancelled::Stale),
                None if has_ended => return Err(ChangeCancelled::Stale),
                None => stored.successor = Some(next.hash),
            }
            let stored =
                StoredToken { session: session.id, expires_at: next.expires_at, successor: None };
            rows.tokens.insert(next.hash, stored);
            rows.note(Whose::User(session.user_id), activity);
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
            let stored = rows.sessions.get_mut(&session.id).ok_or(ChangeCancelled::Stale)?;
            if std::mem::replace(&mut stored.ended, true) {
                return Err(ChangeCancelled::Stale);
            }
            rows.note(Whose::User(session.user_id), activity);
            Ok(())
        })
        .await
    }
}
