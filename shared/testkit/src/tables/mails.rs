//! Requests for mails and their tokens.

#![allow(clippy::result_large_err, reason = "a test can afford large errors")]

use application::deadline::Deadline;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::mail::{
    MailRepository, MailRequests, MailTokens, NewMail, Redemption, StoredMail,
};
use application::ports::pending::{AggregateChange, Found};
use application::ports::{
    Activity, ActivityOwner, AddressDigest, CancelledAddition, CancelledChange, TokenRecord,
};
use domain::account::{Account, AddressKey};
use domain::aggregate::AggregateKey;
use domain::identity::MailId;

use super::MemoryTables;
use super::aggregates::Written;
use super::rows::{EventsRow, MailRow, Rows};
use super::users::{
    BUSY_ADDITION, BUSY_CHANGE, check_addition, check_change, store_account, unless_absent,
    unless_unchanged,
};
use crate::fault::Operation;

impl MemoryTables {
    /// The requests in the order of their identifiers.
    pub fn mails(&self) -> Vec<StoredMail> {
        self.state().rows.mails.values().map(|row| row.mail.clone()).collect()
    }
}

/// Stores a request whose condition holds.
pub(super) fn put_mail(rows: &mut Rows, new: NewMail) {
    let NewMail { request, event, pending } = new;
    let key = AggregateKey::Mail { mail_id: request.id };
    let events = EventsRow::new(key, event, pending, Some(request.expires_at()));
    let mail = StoredMail { request, token: None, used: false };
    rows.mails.insert(mail.request.id, MailRow { mail, events });
}

impl MailRequests for MemoryTables {
    async fn find(&self, mail: MailId) -> Result<Option<StoredMail>, Failure> {
        self.read(Operation::FindMail, |rows| rows.mails.get(&mail).map(|row| row.mail.clone()))
            .await
    }
}

impl MailRepository for MemoryTables {
    async fn ask(
        &self,
        mail: &NewMail,
        account: Option<&Account>,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<CancelledAddition> {
        let (mail, account, activity) = (mail.clone(), account.cloned(), activity.clone());
        self.write(Operation::AskForMail, deadline, BUSY_ADDITION, move |rows| {
            let account_reason = account
                .as_ref()
                .map_or(ItemReason::None, |account| unless_unchanged(rows, account));
            check_addition(CancelledAddition {
                added: unless_absent(rows.mails.get(&mail.request.id).map(drop)),
                account: account_reason,
            })?;
            if let Some(account) = account {
                store_account(rows, account, mail.pending.transaction_id);
            }
            rows.record(ActivityOwner::User(mail.request.user_id), activity);
            put_mail(rows, mail);
            Ok(())
        })
        .await
    }

    async fn ask_for_nobody(
        &self,
        mail: MailId,
        address: AddressDigest,
        activity: &Activity,
        deadline: Deadline,
    ) -> WriteTry<CancelledAddition> {
        let activity = activity.clone();
        self.write(Operation::AskForMail, deadline, BUSY_ADDITION, move |rows| {
            check_addition(CancelledAddition {
                added: unless_absent(rows.mails_of_nobody.get(&(address, mail)).map(drop)),
                account: ItemReason::None,
            })?;
            rows.mails_of_nobody.insert((address, mail));
            rows.record(ActivityOwner::UnknownAddress(address), activity);
            Ok(())
        })
        .await
    }

    async fn redeem(
        &self,
        redemption: &Redemption<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledChange> {
        let Redemption { mail, hash, account, former_address, attempt, activity } =
            redemption.clone();
        let (account, activity) = (account.clone(), activity.clone());
        let former = former_address.cloned();
        self.write(Operation::RedeemMail, deadline, BUSY_CHANGE, move |rows| {
            let (user_id, key) = (account.user_id(), account.email().key().clone());
            let is_good = rows.mails.get(&mail).is_some_and(|row| {
                !row.mail.used && row.mail.token.is_some_and(|token| token.hash == hash)
            });
            let is_ours = |key: &AddressKey| rows.owners.get(key) == Some(&user_id);
            let may_move = former.as_ref().is_none_or(|former| {
                is_ours(former) && (is_ours(&key) || !rows.owners.contains_key(&key))
            });
            let met = CancelledChange {
                account: unless_unchanged(rows, &account),
                another_failed: !is_good || !may_move,
            };
            check_change(met)?;
            store_account(rows, account, attempt);
            if let Some(former) = former {
                rows.owners.remove(&former);
                rows.owners.insert(key, user_id);
            }
            if let Some(row) = rows.mails.get_mut(&mail) {
                row.mail.used = true;
            }
            rows.record(ActivityOwner::User(user_id), activity);
            Ok(())
        })
        .await
    }
}

impl MailTokens for MemoryTables {
    async fn issue(
        &self,
        change: &AggregateChange<'_>,
        token: &TokenRecord,
        deadline: Deadline,
    ) -> WriteTry<Found> {
        let (key, written, token) = (change.key(), Written::of(change), *token);
        self.write(Operation::IssueMailToken, deadline, None, move |rows| {
            if let ItemReason::ConditionFailed(found) = written.refused_by(rows) {
                return Err(found);
            }
            written.store(rows);
            if let AggregateKey::Mail { mail_id } = key
                && let Some(row) = rows.mails.get_mut(&mail_id)
            {
                row.mail.token = Some(token);
            }
            Ok(())
        })
        .await
    }
}
