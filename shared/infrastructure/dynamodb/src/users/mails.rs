//! Requests for mails: stored with their events, and used with their tokens.

use application::deadline::Deadline;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::mail::{MailRepository, MailRequests, NewMail, Redemption, StoredMail};
use application::ports::{
    Activity, ActivityOwner, AddressDigest, CancelledAddition, CancelledChange,
};
use domain::account::Account;
use domain::identity::MailId;

use super::accounts::{cancelled_change, changed, moved};
use super::{DynamoAccounts, FREE_OR_SAME_USER};
use crate::expression::Change;
use crate::item::{number, text, truth};
use crate::keys;
use crate::reading::get;
use crate::records::{
    ActivityItem, EmailItem, MailItem, NewMailItem, NobodysMailItem, account_at_key,
};
use crate::transaction::{Reasons, Transaction, write};

/// The condition that an address belongs to a user.
const SAME_USER: &str = "#user_id = :user_id";

impl DynamoAccounts {
    /// The items in the order in which [`cancelled_request`] reads their reasons.
    fn request(
        &self,
        mail: &NewMail,
        account: Option<&Account>,
        activity: &Activity,
    ) -> Result<Transaction, Failure> {
        let users = self.users.as_str();
        let transaction = Transaction::default().put_if_absent(users, &NewMailItem::from(mail))?;
        let transaction = match account {
            Some(account) => {
                transaction.update(users, changed(account, mail.pending.transaction_id))?
            }
            None => transaction,
        };
        let owner = ActivityOwner::User(mail.request.user_id);
        transaction.put(users, &ActivityItem::new(owner, activity))
    }

    fn request_of_nobody(
        &self,
        mail: MailId,
        address: AddressDigest,
        activity: &Activity,
    ) -> Result<Transaction, Failure> {
        let users = self.users.as_str();
        let owner = ActivityOwner::UnknownAddress(address);
        Transaction::default()
            .put_if_absent(users, &NobodysMailItem::new(mail, address, activity))?
            .put(users, &ActivityItem::new(owner, activity))
    }

    fn redemption(&self, redemption: &Redemption<'_>) -> Result<Transaction, Failure> {
        let Redemption { mail, hash, account, former_address, attempt, activity } = redemption;
        let users = self.users.as_str();
        let account_update = match former_address {
            Some(_) => moved(account, *attempt),
            None => changed(account, *attempt),
        };
        let transaction = Transaction::default().update(users, account_update)?.update(
            users,
            Change {
                key: keys::record(keys::mail(*mail)),
                update: "SET #used = :yes",
                condition: "#used = :no AND #token = :token",
                values: vec![(":yes", truth(true)), (":no", truth(false)), (":token", text(hash))],
            },
        )?;
        let user_id = || vec![(":user_id", number(account.user_id().get()))];
        let transaction = match former_address {
            None => transaction,
            Some(former) => transaction
                .put_if(users, &EmailItem::from(*account), FREE_OR_SAME_USER, user_id())?
                .delete_if(users, keys::record(keys::email(former)), SAME_USER, user_id())?,
        };
        let owner = ActivityOwner::User(account.user_id());
        transaction.put(users, &ActivityItem::new(owner, activity))
    }
}

/// The reasons in the order in which [`DynamoAccounts::request`] and
/// [`DynamoAccounts::request_of_nobody`] add the items.
fn cancelled_request(mut reasons: Reasons, changes_account: bool) -> CancelledAddition {
    let added = reasons.next_unread();
    let account =
        if changes_account { reasons.next_read(account_at_key) } else { ItemReason::None };
    CancelledAddition { added, account }
}

impl MailRequests for DynamoAccounts {
    async fn find(&self, mail: MailId) -> Result<Option<StoredMail>, Failure> {
        let key = keys::record(keys::mail(mail));
        let found: Option<MailItem> = get(&self.client, self.users.as_str(), key).await?;
        Ok(found.map(StoredMail::try_from).transpose()?)
    }
}

impl MailRepository for DynamoAccounts {
    async fn ask(
        &self,
        mail: &NewMail,
        account: Option<&Account>,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<CancelledAddition> {
        let request = self.request(mail, account, activity);
        let cancelled = |reasons| cancelled_request(reasons, account.is_some());
        write(request, &self.client, deadline, cancelled).await
    }

    async fn ask_for_nobody(
        &self,
        mail: MailId,
        address: AddressDigest,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<CancelledAddition> {
        let request = self.request_of_nobody(mail, address, activity);
        let cancelled = |reasons| cancelled_request(reasons, false);
        write(request, &self.client, deadline, cancelled).await
    }

    async fn redeem(
        &self,
        redemption: &Redemption<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledChange> {
        write(self.redemption(redemption), &self.client, deadline, cancelled_change).await
    }
}
