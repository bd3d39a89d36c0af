//! Sessions and their refresh tokens.

use application::deadline::Deadline;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::{
    Activity, ActivityOwner, CancelledExchange, FoundToken, NewExchange, RefreshToken, Sessions,
};
use domain::account::Session;
use domain::identity::SessionId;

use super::DynamoAccounts;
use crate::expression::Change;
use crate::item::{from_item, number, text, truth};
use crate::keys;
use crate::reading::get;
use crate::records::{ActivityItem, SessionItem, UsedTokenItem};
use crate::transaction::{Reasons, Transaction, write};

impl DynamoAccounts {
    fn exchange_transaction(&self, exchange: &NewExchange<'_>) -> Result<Transaction, Failure> {
        let NewExchange { session, used, next, salt, at, uses_before, uses, activity } = exchange;
        let users = self.users.as_str();
        // Because of this condition, an exchange, a second exchange of the same token and the end
        // of the session exclude each other.
        let exchanged = Change {
            key: keys::record(keys::session(session.id())),
            update: "SET #token = :next, #token_expires_at_ms = :expires_at, \
                     #exchanged_token = :used, #exchange_salt = :salt, #exchanged_at_ms = :at",
            condition: "#token = :used AND #ended = :no",
            values: vec![
                (":next", text(next.hash)),
                (":expires_at", number(next.expires_at.as_millis())),
                (":used", text(*used)),
                (":salt", text(salt)),
                (":at", number(at.as_millis())),
                (":no", truth(false)),
            ],
        };
        // Ending all sessions of an account writes only its epoch, and not the sessions' items.
        let counted = Change {
            key: keys::record(keys::user(session.user_id())),
            update: "SET #exchanges_until_ms = :uses",
            condition: "#session_epoch = :epoch AND (attribute_not_exists(#exchanges_until_ms) OR \
                        #exchanges_until_ms = :uses_before)",
            values: vec![
                (":uses", number(uses.moment().as_millis())),
                (":epoch", number(session.epoch())),
                (":uses_before", number(uses_before.moment().as_millis())),
            ],
        };
        Transaction::default()
            .update(users, exchanged)?
            .update(users, counted)?
            .put(users, &UsedTokenItem::new(session, *used))?
            .put(users, &ActivityItem::new(ActivityOwner::User(session.user_id()), activity))
    }

    fn end_transaction(
        &self,
        session: &Session,
        activity: &Activity,
    ) -> Result<Transaction, Failure> {
        let users = self.users.as_str();
        let ended = Change {
            key: keys::record(keys::session(session.id())),
            update: "SET #ended = :yes",
            condition: "attribute_exists(#pk) AND #ended = :no",
            values: vec![(":yes", truth(true)), (":no", truth(false))],
        };
        Transaction::default()
            .update(users, ended)?
            .put(users, &ActivityItem::new(ActivityOwner::User(session.user_id()), activity))
    }
}

/// The reasons in the order in which [`DynamoAccounts::exchange_transaction`] adds the items.
fn cancelled_exchange(mut reasons: Reasons) -> CancelledExchange {
    CancelledExchange {
        session: reasons.next_read(|item| from_item::<SessionItem>(item)?.token()),
        account: reasons.next_unread(),
    }
}

impl Sessions for DynamoAccounts {
    async fn by_token(&self, token: RefreshToken) -> Result<Option<FoundToken>, Failure> {
        let users = self.users.as_str();
        let key = keys::record(keys::session(token.session));
        let found: Option<SessionItem> = get(&self.client, users, key).await?;
        let Some(found) = found else { return Ok(None) };
        let (is_newest, expires_at) = (found.has_token(token.hash), found.token_expires_at());
        let exchange = found.exchange_of(token.hash);
        let session = Session::try_from(found)?;
        if is_newest {
            return Ok(Some(FoundToken::Newest { session, expires_at }));
        }
        if let Some(exchange) = exchange {
            return Ok(Some(FoundToken::Exchanged { session, exchange }));
        }
        let key = keys::record(keys::refresh_token(token.hash));
        let used: Option<UsedTokenItem> = get(&self.client, users, key).await?;
        Ok(used.map(|_| FoundToken::Used { session }))
    }

    async fn by_id(&self, session: SessionId) -> Result<Option<Session>, Failure> {
        let key = keys::record(keys::session(session));
        let found: Option<SessionItem> = get(&self.client, self.users.as_str(), key).await?;
        Ok(found.map(Session::try_from).transpose()?)
    }

    async fn exchange(
        &self,
        exchange: &NewExchange<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledExchange> {
        let transaction = self.exchange_transaction(exchange);
        write(transaction, &self.client, deadline, cancelled_exchange).await
    }

    async fn end(
        &self,
        session: &Session,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<ItemReason<()>> {
        let transaction = self.end_transaction(session, activity);
        write(transaction, &self.client, deadline, |mut reasons| reasons.next_unread()).await
    }
}
