//! Stores registrations and logins, each with its event.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    ActivityOwner, AddressDigest, ChangeCancelled, NewSession, Registration, RegistrationCancelled,
    UserRepository,
};
use aws_sdk_dynamodb::Client;
use domain::identity::TransactionId;
use domain::pending::PendingEvents;

use super::accounts::changed;
use crate::config::UsersTable;
use crate::item::from_item;
use crate::records::{
    AccountState, ActivityItem, EmailItem, KnownSourceItem, NewAccountItem, NewMailItem,
    NewSessionItem, account_state,
};
use crate::transaction::{Reasons, Transaction, Verdict, judged, write};

/// Stores registrations and logins. Each is one transaction with its event, which is pending in the
/// item of the account or the session.
#[derive(Debug, Clone)]
pub struct DynamoUserRepository {
    client: Client,
    users: UsersTable,
}

impl DynamoUserRepository {
    /// Stores in this table.
    pub const fn new(client: Client, users: UsersTable) -> Self {
        Self { client, users }
    }

    fn registration(&self, registration: &Registration<'_>) -> Result<Transaction, Failure> {
        let Registration { account, event, pending, activity, source_known_until, mail } =
            registration;
        let address = AddressDigest::of(account.email());
        let known = KnownSourceItem::new(address, activity.source, *source_known_until);
        let attempt = pending.transaction_id;
        let pending = PendingEvents::one(event.stamp.event_id, (*pending).clone());
        let users = self.users.as_str();
        let transaction = Transaction::default()
            .put_if_absent(users, &NewAccountItem::new(account, attempt, &pending))?
            .put_if_absent(users, &EmailItem::from(*account))?
            .put(users, &ActivityItem::new(ActivityOwner::User(account.user_id()), activity))?
            .put(users, &known)?;
        match mail {
            Some(mail) => transaction.put_if_absent(users, &NewMailItem::from(*mail)),
            None => Ok(transaction),
        }
    }

    fn login(&self, login: &NewSession<'_>) -> Result<Transaction, Failure> {
        let NewSession { account, pending, activity, .. } = login;
        let users = self.users.as_str();
        Transaction::default()
            .update(users, changed(account, pending.transaction_id))?
            .put_if_absent(users, &NewSessionItem::from(login))?
            .put(users, &ActivityItem::new(ActivityOwner::User(account.user_id()), activity))
    }
}

/// The reasons in the order in which [`DynamoUserRepository::registration`] adds the items.
fn judge_registration(
    mut reasons: Reasons,
    registration: &Registration<'_>,
) -> Verdict<RegistrationCancelled> {
    let account = reasons.next_read(|item| account_state(&item));
    let owner = reasons.next_read(|item| from_item::<EmailItem>(item)?.user_id());
    // The user's number is as random as an attempt's. If the address belongs to this number, an
    // earlier try has landed.
    if account.found() == Some(&AccountState::Live(registration.pending.transaction_id))
        || owner.found() == Some(&registration.account.user_id())
    {
        return Verdict::Landed;
    }
    if owner.condition_failed() {
        return Verdict::Cancelled(RegistrationCancelled::EmailTaken);
    }
    Verdict::Cancelled(RegistrationCancelled::Busy)
}

/// The reasons in the order in which [`DynamoUserRepository::login`] adds the items. Only this
/// login knows the session's identifier: if the session exists, an earlier try has landed, whatever
/// happened to the account after that.
fn judge_login(mut reasons: Reasons, attempt: TransactionId) -> Verdict<ChangeCancelled> {
    let account = reasons.next_read(|item| account_state(&item));
    let session = reasons.next();
    if account.found() == Some(&AccountState::Live(attempt)) || session.condition_failed() {
        return Verdict::Landed;
    }
    if account.condition_failed() {
        return Verdict::Cancelled(ChangeCancelled::Stale);
    }
    Verdict::Cancelled(ChangeCancelled::Busy)
}

impl UserRepository for DynamoUserRepository {
    async fn register(
        &self,
        registration: &Registration<'_>,
        deadline: Deadline,
    ) -> WriteTry<RegistrationCancelled> {
        let transaction = self.registration(registration);
        let tried = write(transaction, &self.client, deadline, |reasons| {
            judge_registration(reasons, registration)
        });
        judged(tried.await)
    }

    async fn log_in(
        &self,
        login: &NewSession<'_>,
        deadline: Deadline,
    ) -> WriteTry<ChangeCancelled> {
        let attempt = login.pending.transaction_id;
        let tried = write(self.login(login), &self.client, deadline, |reasons| {
            judge_login(reasons, attempt)
        });
        judged(tried.await)
    }
}
