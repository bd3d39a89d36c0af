//! Sessions and their refresh tokens.

use application::deadline::Deadline;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::{
    Activity, ActivityOwner, CancelledExchange, Exchange, FoundToken, NewExchange, RefreshToken,
    Sessions,
};
use domain::account::{Account, AccountRecord, Session};
use domain::identity::SessionId;

use super::MemoryTables;
use super::rows::SessionRow;
use super::users::unless;
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

    async fn exchange(
        &self,
        exchange: &NewExchange<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledExchange> {
        let NewExchange { session, used, next, salt, at, uses_before, uses, activity } =
            exchange.clone();
        let exchange = Exchange { salt: salt.to_owned(), at };
        let (session, next, activity) = (*session, *next, activity.clone());
        let busy = CancelledExchange { session: ItemReason::Busy, account: ItemReason::Busy };
        self.write(Operation::Exchange, deadline, busy, move |rows| {
            let found = rows.sessions.get(&session.id());
            let is_good = |row: &SessionRow| row.token.hash == used && !row.session.has_ended();
            let account = rows.account(session.user_id());
            let counts = |account: &Account| {
                account.session_epoch() == session.epoch()
                    && account.record().exchanges == uses_before
            };
            let met = CancelledExchange {
                session: unless(found.is_some_and(is_good), found.map(|row| row.token.hash)),
                account: unless(account.is_some_and(counts), account.map(|_| ())),
            };
            if met.session.condition_failed() || met.account.condition_failed() {
                return Err(met);
            }
            let row = rows.accounts.get_mut(&session.user_id()).unwrap();
            let (account, _) = row.live.as_mut().unwrap();
            let record = account.record().clone();
            *account = Account::rehydrate(AccountRecord { exchanges: uses, ..record }).unwrap();
            let row = rows.sessions.get_mut(&session.id()).unwrap();
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
    ) -> WriteTry<ItemReason<()>> {
        let (session, activity) = (*session, activity.clone());
        self.write(Operation::EndSession, deadline, ItemReason::Busy, move |rows| {
            let row = rows.sessions.get_mut(&session.id());
            let row = row.ok_or(ItemReason::ConditionFailed(None))?;
            if row.session.has_ended() {
                return Err(ItemReason::ConditionFailed(Some(())));
            }
            row.session = row.session.end();
            rows.record(ActivityOwner::User(session.user_id()), activity);
            Ok(())
        })
        .await
    }
}
