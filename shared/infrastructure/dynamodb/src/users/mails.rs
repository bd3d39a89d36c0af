//! Requests for mails: stored with their events, and used with their tokens.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::mail::{MailRepository, MailRequests, NewMail, Redemption, StoredMail};
use application::ports::{
    Activity, ActivityOwner, AddressDigest, CancelledChange, ChangeCancelled,
};
use domain::identity::MailId;
use domain::user::Account;

use super::accounts::{DynamoAccounts, cancelled_change, changed, moved};
use crate::expression::Change;
use crate::item::{number, text, truth};
use crate::keys;
use crate::reading::get;
use crate::records::{ActivityItem, EmailItem, MailItem, NewMailItem, NobodysMailItem};
use crate::transaction::{Reasons, Transaction, Verdict, judged, write};

/// The condition that an address belongs to a user.
const SAME_USER: &str = "#user_id = :user_id";

/// The condition that an address is free, or belongs to this user already.
const FREE_OR_SAME_USER: &str = "attribute_not_exists(#pk) OR #user_id = :user_id";

impl DynamoAccounts {
    /// The items in the order in which [`judge_request`] reads their reasons.
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

/// The reasons in the order in which [`DynamoAccounts::request`] adds the items. Only this request
/// knows its identifier: if its item exists, an earlier try has landed.
fn judge_request(mut reasons: Reasons) -> Verdict<ChangeCancelled> {
    if reasons.next().condition_failed() {
        return Verdict::Landed;
    }
    if reasons.any_condition_failed() {
        return Verdict::Cancelled(ChangeCancelled::Stale);
    }
    Verdict::Cancelled(ChangeCancelled::Busy)
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
    ) -> WriteTry<ChangeCancelled> {
        let request = self.request(mail, account, activity);
        judged(write(request, &self.client, deadline, judge_request).await)
    }

    async fn ask_for_nobody(
        &self,
        mail: MailId,
        address: AddressDigest,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<ChangeCancelled> {
        let request = self.request_of_nobody(mail, address, activity);
        judged(write(request, &self.client, deadline, judge_request).await)
    }

    async fn redeem(
        &self,
        redemption: &Redemption<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledChange> {
        write(self.redemption(redemption), &self.client, deadline, cancelled_change).await
    }
}
