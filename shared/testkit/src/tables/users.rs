//! Accounts, their activities, and the guesses of their passwords.

use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::{Failure, ItemReason, WriteTry};
use application::ports::{
    AccountAtKey, AccountChange, AccountDeletion, AccountRemoval, AccountRepository, Accounts,
    Activity, ActivityLog, ActivityOwner, ActivityReader, AddressDigest, CancelledAddition,
    CancelledChange, CancelledRegistration, GuessRecords, GuessTarget, GuessUpdate,
    KnownSourceRemoval, KnownSources, NewSession, Page, Registration, Source,
};
use domain::account::{Account, AccountRecord, EmailAddress, Guesses};
use domain::aggregate::AggregateKey;
use domain::identity::{ActivityId, TransactionId, UserId};
use domain::pending::Rank;
use domain::timestamp::Timestamp;

use super::MemoryTables;
use super::mails::put_mail;
use super::rows::{AccountRow, EventsRow, Rows, SessionRow};
use crate::fault::Operation;

fn at_key(row: &AccountRow) -> AccountAtKey {
    match row.live {
        Some((_, attempt)) => AccountAtKey::Live { attempt },
        None => AccountAtKey::Deleted,
    }
}

/// The condition `holds` or not; `found` is the item in its place.
pub(super) fn unless<Existing>(holds: bool, found: Option<Existing>) -> ItemReason<Existing> {
    if holds { ItemReason::None } else { ItemReason::ConditionFailed(found) }
}

/// The condition is that the item is absent.
pub(super) fn unless_absent<Existing>(found: Option<Existing>) -> ItemReason<Existing> {
    unless(found.is_none(), found)
}

/// The condition is that the account has this version.
fn unless_at_version(rows: &Rows, user_id: UserId, version: u32) -> ItemReason<AccountAtKey> {
    let live = rows.account(user_id);
    let holds = live.is_some_and(|stored| stored.version() == version);
    unless(holds, rows.accounts.get(&user_id).map(at_key))
}

pub(super) const BUSY_ADDITION: CancelledAddition =
    CancelledAddition { added: ItemReason::Busy, account: ItemReason::Busy };

pub(super) fn check_addition(met: CancelledAddition) -> Result<(), CancelledAddition> {
    let failed = met.added.condition_failed() || met.account.condition_failed();
    if failed { Err(met) } else { Ok(()) }
}

pub(super) const BUSY_CHANGE: CancelledChange =
    CancelledChange { account: ItemReason::Busy, another_failed: false };

pub(super) fn check_change(met: CancelledChange) -> Result<(), CancelledChange> {
    let failed = met.account.condition_failed() || met.another_failed;
    if failed { Err(met) } else { Ok(()) }
}

/// The condition is that `account` is as it was read.
pub(super) fn unless_unchanged(rows: &Rows, account: &Account) -> ItemReason<AccountAtKey> {
    unless_at_version(rows, account.user_id(), account.version() - 1)
}

/// Stores an account whose condition holds.
pub(super) fn store_account(rows: &mut Rows, account: Account, attempt: TransactionId) {
    let row = rows.accounts.get_mut(&account.user_id()).unwrap();
    let (stored, _) = row.live.as_ref().unwrap();
    // Exchanges are counted without a new version, so the use in `account` may be outdated.
    let exchanges = stored.record().exchanges;
    let record = AccountRecord { exchanges, ..account.record().clone() };
    let account = Account::rehydrate(record).unwrap();
    row.live = Some((account, attempt));
}

impl Accounts for MemoryTables {
    async fn by_email(&self, email: &EmailAddress) -> Result<Option<Account>, Failure> {
        self.read(Operation::FindAccount, |rows| {
            rows.account(*rows.owners.get(email.key())?).cloned()
        })
        .await
    }

    async fn by_id(&self, user_id: UserId) -> Result<Option<Account>, Failure> {
        self.read(Operation::FindAccount, |rows| rows.account(user_id).cloned()).await
    }
}

impl AccountRepository for MemoryTables {
    async fn register(
        &self,
        registration: &Registration<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledRegistration> {
        let account = registration.account.clone();
        let (event, pending) = (registration.event.clone(), registration.pending.clone());
        let activity = registration.activity.clone();
        let (known_until, mail) = (registration.source_known_until, registration.mail.cloned());
        let busy = CancelledRegistration { account: ItemReason::Busy, address: ItemReason::Busy };
        self.write(Operation::Register, deadline, busy, move |rows| {
            let user_id = account.user_id();
            let met = CancelledRegistration {
                account: unless_absent(rows.accounts.get(&user_id).map(at_key)),
                address: unless_absent(rows.owners.get(account.email().key()).copied()),
            };
            let asked = mail.as_ref().is_some_and(|mail| rows.mails.contains_key(&mail.request.id));
            if met.account.condition_failed() || met.address.condition_failed() || asked {
                return Err(met);
            }
            rows.owners.insert(account.email().key().clone(), user_id);
            let source = (AddressDigest::of(account.email()), activity.source);
            rows.sources.insert(source, known_until);
            rows.record(ActivityOwner::User(user_id), activity);
            let attempt = pending.transaction_id;
            let events = EventsRow::new(AggregateKey::Account { user_id }, event, pending, None);
            rows.accounts.insert(user_id, AccountRow { live: Some((account, attempt)), events });
            if let Some(mail) = mail {
                put_mail(rows, mail);
            }
            Ok(())
        })
        .await
    }

    async fn log_in(
        &self,
        login: &NewSession<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledAddition> {
        let account = login.account.clone();
        let (event, pending) = (login.event.clone(), login.pending.clone());
        let (session, token) = (*login.session, *login.token);
        let activity = login.activity.clone();
        self.write(Operation::LogIn, deadline, BUSY_ADDITION, move |rows| {
            let user_id = account.user_id();
            let met = CancelledAddition {
                added: unless_absent(rows.sessions.get(&session.id()).map(drop)),
                account: unless_unchanged(rows, &account),
            };
            check_addition(met)?;
            store_account(rows, account, pending.transaction_id);
            rows.record(ActivityOwner::User(user_id), activity);
            let key = AggregateKey::Session { session_id: session.id() };
            let events = EventsRow::new(key, event, pending, Some(session.ends_at()));
            rows.sessions
                .insert(session.id(), SessionRow { session, token, exchange: None, events });
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        change: &AccountChange<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledChange> {
        let account = change.account.clone();
        let (attempt, keep) = (change.attempt, change.keep);
        let activity = change.activity.clone();
        self.write(Operation::ChangeAccount, deadline, BUSY_CHANGE, move |rows| {
            let is_good = |id| rows.sessions.get(&id).is_some_and(|row| !row.session.has_ended());
            let met = CancelledChange {
                account: unless_unchanged(rows, &account),
                another_failed: !keep.is_none_or(is_good),
            };
            check_change(met)?;
            let user_id = account.user_id();
            if let Some(row) = keep.and_then(|id| rows.sessions.get_mut(&id)) {
                row.session = row.session.keep(&account);
            }
            store_account(rows, account, attempt);
            rows.record(ActivityOwner::User(user_id), activity);
            Ok(())
        })
        .await
    }
}

impl KnownSourceRemoval for MemoryTables {
    async fn forget_all_except(
        &self,
        account: &Account,
        keep: Option<Source>,
    ) -> Result<(), Failure> {
        let address = AddressDigest::of(account.email());
        let forgotten = self.change_if(Operation::ForgetSources, move |rows| {
            rows.sources.retain(|(known, source), _| *known != address || Some(*source) == keep);
            true
        });
        forgotten.await.map(drop)
    }
}

impl AccountRemoval for MemoryTables {
    async fn erase_traces(&self, account: &Account) -> Result<(), Failure> {
        let owner = ActivityOwner::User(account.user_id());
        let address = AddressDigest::of(account.email());
        let erased = self.change_if(Operation::EraseTraces, move |rows| {
            rows.activities.retain(|(known, _)| *known != owner);
            rows.sources.retain(|(known, _), _| *known != address);
            true
        });
        erased.await.map(drop)
    }

    async fn delete(
        &self,
        deletion: &AccountDeletion<'_>,
        deadline: Deadline,
    ) -> WriteTry<CancelledChange> {
        let account = deletion.account.clone();
        let (event, pending) = (deletion.event.clone(), deletion.pending.clone());
        self.write(Operation::DeleteAccount, deadline, BUSY_CHANGE, move |rows| {
            let user_id = account.user_id();
            let owner = rows.owners.get(account.email().key());
            let met = CancelledChange {
                account: unless_at_version(rows, user_id, account.version()),
                another_failed: owner.is_some_and(|owner| *owner != user_id),
            };
            check_change(met)?;
            let row = rows.accounts.get_mut(&user_id).unwrap();
            row.live = None;
            let EventsRow { stored, index, .. } = &mut row.events;
            *index = Some((Rank::First, pending.due));
            stored.pending.put(event.stamp.event_id, pending);
            stored.raised.push(event);
            stored.revision += 1;
            rows.owners.remove(account.email().key());
            Ok(())
        })
        .await
    }
}

impl ActivityLog for MemoryTables {
    async fn record(&self, owner: ActivityOwner, activity: &Activity) -> Result<(), Failure> {
        let activity = activity.clone();
        let recorded = self.change_if(Operation::RecordActivity, move |rows| {
            rows.record(owner, activity);
            true
        });
        recorded.await.map(drop)
    }
}

impl ActivityReader for MemoryTables {
    async fn page(
        &self,
        user_id: UserId,
        before: Option<ActivityId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page<Activity, ActivityId>, Failure> {
        self.read(Operation::PageOfActivities, |rows| {
            let mut of_user: Vec<_> = rows
                .activities
                .iter()
                .filter(|(owner, activity)| {
                    *owner == ActivityOwner::User(user_id)
                        && before.is_none_or(|before| activity.id < before)
                        && now.as_secs() < activity.at.plus(lifetimes::ACTIVITY).as_secs()
                })
                .map(|(_, activity)| activity.clone())
                .collect();
            of_user.sort_by_key(|activity| std::cmp::Reverse(activity.id));
            let limit = usize::try_from(limit).unwrap();
            let more = of_user.len() > limit;
            of_user.truncate(limit);
            let next = of_user.last().filter(|_| more).map(|last| last.id);
            Page { items: of_user, unreadable: 0, next }
        })
        .await
    }
}

impl GuessRecords for MemoryTables {
    async fn find(&self, target: GuessTarget) -> Result<Option<Guesses>, Failure> {
        self.read(Operation::FindGuesses, |rows| rows.guesses.get(&target).copied()).await
    }

    async fn replace(
        &self,
        target: GuessTarget,
        expected: Option<Guesses>,
        new: Option<Guesses>,
    ) -> Result<GuessUpdate, Failure> {
        let replaced = self.change_if(Operation::ReplaceGuesses, move |rows| {
            if rows.guesses.get(&target).copied() != expected {
                return false;
            }
            match new {
                Some(new) => drop(rows.guesses.insert(target, new)),
                None => drop(rows.guesses.remove(&target)),
            }
            true
        });
        if replaced.await? {
            return Ok(GuessUpdate::Done);
        }
        Ok(GuessUpdate::Found(GuessRecords::find(self, target).await?))
    }
}

impl KnownSources for MemoryTables {
    async fn knows(
        &self,
        address: AddressDigest,
        source: Source,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        self.read(Operation::KnowsSource, |rows| {
            rows.sources
                .get(&(address, source))
                .is_some_and(|expires_at| now.as_secs() < expires_at.as_secs())
        })
        .await
    }

    async fn remember(
        &self,
        address: AddressDigest,
        source: Source,
        expires_at: Timestamp,
    ) -> Result<(), Failure> {
        let remembered = self.change_if(Operation::RememberSource, move |rows| {
            rows.sources.insert((address, source), expires_at);
            true
        });
        remembered.await.map(drop)
    }
}
