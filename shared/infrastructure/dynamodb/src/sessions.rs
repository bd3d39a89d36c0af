//! Sessions and their refresh tokens.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    Activity, ChangeCancelled, FoundToken, Rotation, Sessions, TokenHash, Whose,
};
use domain::identity::SessionId;
use domain::user::Session;

use crate::accounts::DynamoAccounts;
use crate::expression::Change;
use crate::item::{CorruptRecord, from_item, number, text, truth};
use crate::keys;
use crate::reading::get;
use crate::records::{ActivityItem, RefreshTokenItem, SessionItem};
use crate::transaction::{Reasons, Transaction, Verdict, judged, write};

impl DynamoAccounts {
    fn rotation(&self, rotation: &Rotation<'_>) -> Result<Transaction, Failure> {
        let Rotation { session, used, next, activity } = rotation;
        let users = self.users.as_str();
        let exchanged = Change {
            key: keys::record(keys::refresh_token(*used)),
            update: "SET #successor = :successor",
            condition: "attribute_exists(#pk) AND attribute_not_exists(#successor)",
            values: vec![(":successor", text(next.hash))],
        };
        // The session's newest token says nothing that isn't said elsewhere; writing it is what
        // makes an exchange and the session's end exclude each other.
        let refreshed = Change {
            key: keys::record(keys::session(session.id)),
            update: "SET #newest_token = :newest",
            condition: "attribute_exists(#pk) AND #ended = :no",
            values: vec![(":newest", text(next.hash)), (":no", truth(false))],
        };
        Transaction::default()
            .update(users, exchanged)?
            .update(users, refreshed)?
            // Ending all of an account's sessions writes its epoch, and none of their items.
            .check(
                users,
                keys::record(keys::user(session.user_id)),
                "#session_epoch = :epoch",
                vec![(":epoch", number(session.epoch))],
            )?
            .put_if_absent(users, &RefreshTokenItem::new(session, next))?
            .put(users, &ActivityItem::new(Whose::User(session.user_id), activity))
    }

    fn end_transaction(
        &self,
        session: &Session,
        activity: &Activity,
    ) -> Result<Transaction, Failure> {
        let users = self.users.as_str();
        let ended = Change {
            key: keys::record(keys::session(session.id)),
            update: "SET #ended = :yes",
            condition: "attribute_exists(#pk) AND #ended = :no",
            values: vec![(":yes", truth(true)), (":no", truth(false))],
        };
        Transaction::default()
            .update(users, ended)?
            .put(users, &ActivityItem::new(Whose::User(session.user_id), activity))
    }
}

/// The reasons in the order in which [`DynamoAccounts::rotation`] adds the items.
fn judge_rotation(mut reasons: Reasons, next: TokenHash) -> Verdict<ChangeCancelled> {
    let used = reasons.next_read(|item| {
        let used = from_item::<RefreshTokenItem>(item)?;
        Ok::<_, CorruptRecord>(used.was_exchanged_for(next))
    });
    if used.found() == Some(&true) {
        return Verdict::Landed;
    }
    if used.condition_failed() || reasons.any_condition_failed() {
        return Verdict::Cancelled(ChangeCancelled::Stale);
    }
    Verdict::Cancelled(ChangeCancelled::Busy)
}

impl Sessions for DynamoAccounts {
    async fn by_token(&self, token: TokenHash) -> Result<Option<FoundToken>, Failure> {
        let key = keys::record(keys::refresh_token(token));
        let found: Option<RefreshTokenItem> = get(&self.client, self.users.as_str(), key).await?;
        let Some(found) = found else { return Ok(None) };
        let session = Sessions::by_id(self, found.session_id()?).await?;
        Ok(session.map(|session| FoundToken {
            expires_at: found.good_until(),
            used: found.is_used(),
            session,
        }))
    }

    async fn by_id(&self, session: SessionId) -> Result<Option<Session>, Failure> {
        let key = keys::record(keys::session(session));
        let found: Option<SessionItem> = get(&self.client, self.users.as_str(), key).await?;
        Ok(found.map(Session::try_from).transpose()?)
    }

    async fn rotate(
        &self,
        rotation: &Rotation<'_>,
        deadline: Deadline,
    ) -> WriteTry<ChangeCancelled> {
        let next = rotation.next.hash;
        let tried = write(self.rotation(rotation), &self.client, deadline, |reasons| {
            judge_rotation(reasons, next)
        });
        judged(tried.await)
    }

    async fn end(
        &self,
        session: &Session,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<ChangeCancelled> {
        let transaction = self.end_transaction(session, activity);
        write(transaction, &self.client, deadline, |reasons| {
            if reasons.any_condition_failed() {
                ChangeCancelled::Stale
            } else {
                ChangeCancelled::Busy
            }
        })
        .await
    }
}
