//! Reads, stores and changes accounts.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    AccountChange, AccountRepository, Accounts, ActivityOwner, CancelledAddition, CancelledChange,
    CancelledRegistration, NewSession, Registration,
};
use domain::account::{Account, AccountRecord, EmailAddress};
use domain::identity::{TransactionId, UserId};

use super::DynamoAccounts;
use super::registration::{cancelled_login, cancelled_registration};
use crate::expression::{Change, ItemUpdate, UpdateBuilder};
use crate::item::{binary, number, text, truth};
use crate::keys;
use crate::reading::{consistent_get, get};
use crate::records::{ActivityItem, EmailItem, account_at_key, live_account};
use crate::transaction::{Reasons, Transaction, write};

impl DynamoAccounts {
    fn change_transaction(&self, change: &AccountChange<'_>) -> Result<Transaction, Failure> {
        let AccountChange { account, attempt, keep, activity } = change;
        let users = self.users.as_str();
        let transaction = Transaction::default().update(users, changed(account, *attempt))?;
        let transaction = match keep {
            None => transaction,
            Some(session) => transaction.update(
                users,
                Change {
                    key: keys::record(keys::session(*session)),
                    update: "SET #epoch = :epoch",
                    condition: "attribute_exists(#pk) AND #ended = :no",
                    values: vec![
                        (":epoch", number(account.session_epoch())),
                        (":no", truth(false)),
                    ],
                },
            )?,
        };
        transaction.put(users, &ActivityItem::new(ActivityOwner::User(account.user_id()), activity))
    }
}

/// Writes a changed account, if the stored one has the version before. Its address, its pending
/// events and the use of exchanges do not change.
pub(super) fn changed(account: &Account, attempt: TransactionId) -> ItemUpdate {
    if_as_before(account, change_of(account, attempt))
}

/// Like [`changed`], with another address.
pub(super) fn moved(account: &Account, attempt: TransactionId) -> ItemUpdate {
    let mut update = change_of(account, attempt);
    let (key, typed) = (account.email().key().as_str(), account.email().as_typed());
    update.set("#email", text(key));
    if typed == key {
        update.remove("#typed_email");
    } else {
        update.set("#typed_email", text(typed));
    }
    if_as_before(account, update)
}

fn change_of(account: &Account, attempt: TransactionId) -> UpdateBuilder {
    // Each field by its name: a new one that is not written here does not compile.
    let AccountRecord {
        user_id: _,
        // Only `moved` writes it.
        email: _,
        email_confirmed,
        requested_email,
        password_hash,
        registered_at: _,
        registration: _,
        session_epoch,
        version,
        logins,
        // Exchanges are counted by writes of their own, and this count may be outdated.
        exchanges: _,
    } = account.record();
    let mut update = UpdateBuilder::default();
    update.set("#version", number(*version));
    update.set("#session_epoch", number(*session_epoch));
    update.set("#password_hash", text(password_hash.as_phc()));
    update.set("#logins_until_ms", number(logins.moment().as_millis()));
    update.set("#attempt", binary(attempt.as_uuid().as_bytes()));
    update.set("#email_confirmed", truth(*email_confirmed));
    match requested_email {
        Some(requested) => update.set("#requested_email", text(requested.as_typed())),
        None => update.remove("#requested_email"),
    }
    update
}

fn if_as_before(account: &Account, mut update: UpdateBuilder) -> ItemUpdate {
    let before = update.value(number(account.version().saturating_sub(1)));
    let condition = format!("#version = {before}");
    update.when(keys::record(keys::user(account.user_id())), condition)
}

/// What a change met whose first item is the account.
pub(super) fn cancelled_change(mut reasons: Reasons) -> CancelledChange {
    let account = reasons.next_read(account_at_key);
    CancelledChange { account, another_failed: reasons.any_condition_failed() }
}

impl Accounts for DynamoAccounts {
    async fn by_email(&self, email: &EmailAddress) -> Result<Option<Account>, Failure> {
        let key = keys::record(keys::email(email.key()));
        let owner: Option<EmailItem> = get(&self.client, self.users.as_str(), key).await?;
        // If the address belongs to no account, a key without an item is read: the same calls take
        // the same time.
        let user = match owner {
            Some(owner) => keys::user(owner.user_id()?),
            None => keys::NO_USER.to_owned(),
        };
        let found = consistent_get(&self.client, self.users.as_str(), keys::record(user)).await?;
        let account = found.map(live_account).transpose()?.flatten();
        // Between the two reads, the account may have changed its address.
        Ok(account.filter(|account| account.email().key() == email.key()))
    }

    async fn by_id(&self, user_id: UserId) -> Result<Option<Account>, Failure> {
        let key = keys::record(keys::user(user_id));
        let found = consistent_get(&self.client, self.users.as_str(), key).await?;
        Ok(found.map(live_account).transpose()?.flatten())
    }
}

impl AccountRepository for DynamoAccounts {
    async fn register(
        &self,
        registration: &Registration<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledRegistration> {
        let transaction = self.registration(registration);
        write(transaction, &self.client, deadline, cancelled_registration).await
    }

    async fn log_in(
        &self,
        login: &NewSession<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledAddition> {
        write(self.login(login), &self.client, deadline, cancelled_login).await
    }

    async fn change(
        &self,
        change: &AccountChange<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledChange> {
        write(self.change_transaction(change), &self.client, deadline, cancelled_change).await
    }
}
