//! The transactions of registrations and logins. Each stores an event, which is pending in the item
//! of the account or the session.

use application::outcome::Failure;
use application::ports::{
    ActivityOwner, AddressDigest, CancelledAddition, CancelledRegistration, NewSession,
    Registration,
};
use domain::pending::PendingEvents;

use super::DynamoAccounts;
use super::accounts::changed;
use crate::item::from_item;
use crate::records::{
    ActivityItem, EmailItem, KnownSourceItem, NewAccountItem, NewMailItem, NewSessionItem,
    account_at_key,
};
use crate::transaction::{Reasons, Transaction};

impl DynamoAccounts {
    pub(super) fn registration(
        &self,
        registration: &Registration<'_>,
    ) -> Result<Transaction, Failure> {
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

    pub(super) fn login(&self, login: &NewSession<'_>) -> Result<Transaction, Failure> {
        let NewSession { account, pending, activity, .. } = login;
        let users = self.users.as_str();
        Transaction::default()
            .update(users, changed(account, pending.transaction_id))?
            .put_if_absent(users, &NewSessionItem::from(login))?
            .put(users, &ActivityItem::new(ActivityOwner::User(account.user_id()), activity))
    }
}

/// The reasons in the order in which [`DynamoAccounts::registration`] adds the items.
pub(super) fn cancelled_registration(mut reasons: Reasons) -> CancelledRegistration {
    CancelledRegistration {
        account: reasons.next_read(account_at_key),
        address: reasons.next_read(|item| from_item::<EmailItem>(item)?.user_id()),
    }
}

/// The reasons in the order in which [`DynamoAccounts::login`] adds the items.
pub(super) fn cancelled_login(mut reasons: Reasons) -> CancelledAddition {
    let account = reasons.next_read(account_at_key);
    CancelledAddition { added: reasons.next_unread(), account }
}
