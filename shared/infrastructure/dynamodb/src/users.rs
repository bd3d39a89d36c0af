//! Registrations and logins, each with its event.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    AddressDigest, ChangeCancelled, NewSession, RecordedEvent, Registration, RegistrationCancelled,
    UserRepository, Whose,
};
use aws_sdk_dynamodb::Client;

use crate::accounts::{judge_change, put_changed};
use crate::config::{EventsTable, UsersTable};
use crate::item::from_item;
use crate::records::{
    AccountItem, ActivityItem, EmailItem, EventRecord, KnownSourceItem, RefreshTokenItem,
    SessionItem, TransactionRecord,
};
use crate::transaction::{Reasons, Transaction, Verdict, judged, write};

/// Stores what users do together with the event that tells of it, in one transaction under the
/// attempt's `ClientRequestToken`.
#[derive(Debug, Clone)]
pub struct DynamoUserRepository {
    client: Client,
    users: UsersTable,
    events: EventsTable,
}

impl DynamoUserRepository {
    /// Stores in these tables.
    pub const fn new(client: Client, users: UsersTable, events: EventsTable) -> Self {
        Self { client, users, events }
    }

    fn registration(&self, registration: &Registration<'_>) -> Result<Transaction, Failure> {
        let Registration { account, event, activity, source_known_until } = registration;
        let address = AddressDigest::of(account.email());
        let known = KnownSourceItem::new(address, activity.source, *source_known_until);
        let users = self.users.as_str();
        let transaction = Transaction::default()
            .under(event.transaction_id)
            .put_if_absent(users, &AccountItem::new(account, event.transaction_id))?
            .put_if_absent(users, &EmailItem::from(*account))?
            .put(users, &ActivityItem::new(Whose::User(account.user_id()), activity))?
            .put(users, &known)?;
        self.record(transaction, event)
    }

    fn login(&self, login: &NewSession<'_>) -> Result<Transaction, Failure> {
        let NewSession { account, event, session, token, activity } = login;
        let users = self.users.as_str();
        let transaction = Transaction::default().under(event.transaction_id);
        let transaction = put_changed(transaction, users, account, event.transaction_id)?
            .put_if_absent(users, &SessionItem::from(*session))?
            .put_if_absent(users, &RefreshTokenItem::new(session, token))?
            .put(users, &ActivityItem::new(Whose::User(account.user_id()), activity))?;
        self.record(transaction, event)
    }

    /// Adds the event's outbox copy and the attempt's COMMITTED record.
    fn record(
        &self,
        transaction: Transaction,
        event: &RecordedEvent,
    ) -> Result<Transaction, Failure> {
        let events = self.events.as_str();
        let attempt = TransactionRecord::committed(event.transaction_id, event.recorded_at);
        transaction
            .put_if_absent(events, &EventRecord::from(event))?
            .put_if_absent(events, &attempt)
    }
}

/// The reasons in the order in which [`DynamoUserRepository::registration`] adds the items.
fn judge_registration(
    mut reasons: Reasons,
    registration: &Registration<'_>,
) -> Verdict<RegistrationCancelled> {
    let account = reasons.next_read(|item| from_item::<AccountItem>(item)?.attempt());
    let owner = reasons.next_read(|item| from_item::<EmailItem>(item)?.user_id());
    // The user's number is as random as an attempt's: where the address is his, so is the account.
    if account.found() == Some(&registration.event.transaction_id)
        || owner.found() == Some(&registration.account.user_id())
    {
        return Verdict::Landed;
    }
    if owner.condition_failed() {
        return Verdict::Cancelled(RegistrationCancelled::EmailTaken);
    }
    Verdict::Cancelled(RegistrationCancelled::Busy)
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
        let attempt = login.event.transaction_id;
        let tried = write(self.login(login), &self.client, deadline, |reasons| {
            judge_change(reasons, attempt)
        });
        judged(tried.await)
    }
}
