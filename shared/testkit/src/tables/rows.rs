use std::collections::{BTreeMap, BTreeSet, HashMap};

use application::ports::mail::StoredMail;
use application::ports::{
    Activity, ActivityOwner, AddressDigest, DeadLetter, DeadLetterId, Exchange, GuessTarget,
    Source, TokenHash, TokenRecord,
};
use domain::account::{Account, AddressKey, Guesses, Session, UserEvent, UserEvents};
use domain::aggregate::AggregateKey;
use domain::identity::{MailId, OrderId, ProductId, SessionId, TransactionId, UserId};
use domain::order::OpenCount;
use domain::pending::{PendingEvent, PendingEvents};
use domain::product::Product;
use domain::timestamp::Timestamp;

use super::aggregates::{IndexEntry, Item};

/// The item at an account's key.
#[derive(Debug, Clone)]
pub(super) struct AccountRow {
    /// The account, and the attempt that wrote it; `None` once the account is deleted.
    pub(super) live: Option<(Account, TransactionId)>,
    pub(super) events: EventsRow,
}

#[derive(Debug, Clone)]
pub(super) struct SessionRow {
    pub(super) session: Session,
    pub(super) token: TokenRecord,
    /// The latest exchange, with the token that it used up.
    pub(super) exchange: Option<(TokenHash, Exchange)>,
    pub(super) events: EventsRow,
}

#[derive(Debug, Clone)]
pub(super) struct MailRow {
    pub(super) mail: StoredMail,
    pub(super) events: EventsRow,
}

/// The events of an account, a session or a request for a mail.
#[derive(Debug, Clone)]
pub(super) struct EventsRow {
    pub(super) stored: UserEvents,
    pub(super) index: IndexEntry,
    /// The item's time to live; `None` while an event is pending.
    pub(super) expires_at: Option<Timestamp>,
}

impl EventsRow {
    pub(super) fn new(
        key: AggregateKey,
        event: UserEvent,
        pending: PendingEvent,
        expires_at: Option<Timestamp>,
    ) -> Self {
        let pending = PendingEvents::one(event.stamp.event_id, pending);
        let index = pending.due().map(|due| (pending.rank(), due));
        let raised = vec![event];
        let stored = UserEvents { key, raised, pending, revision: 1, expires_at };
        Self { stored, index, expires_at: None }
    }
}

/// No item expires by itself: DynamoDB deletes late, too.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) items: BTreeMap<(UserId, OrderId), Item>,
    /// How many attempts were fenced, including those whose tombstone an order has replaced.
    pub(super) fences: u64,
    pub(super) products: BTreeMap<ProductId, Product>,
    pub(super) open_units: BTreeMap<OpenCount, u32>,
    pub(super) dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
    pub(super) accounts: BTreeMap<UserId, AccountRow>,
    pub(super) owners: HashMap<AddressKey, UserId>,
    pub(super) sessions: BTreeMap<SessionId, SessionRow>,
    pub(super) mails: BTreeMap<MailId, MailRow>,
    /// Requests for mails to addresses without an account.
    pub(super) mails_of_nobody: BTreeSet<(AddressDigest, MailId)>,
    pub(super) used_tokens: BTreeSet<TokenHash>,
    pub(super) activities: Vec<(ActivityOwner, Activity)>,
    pub(super) guesses: HashMap<GuessTarget, Guesses>,
    pub(super) sources: HashMap<(AddressDigest, Source), Timestamp>,
}

impl Rows {
    /// The account; `None` if it does not exist or is deleted.
    pub(super) fn account(&self, user_id: UserId) -> Option<&Account> {
        let (account, _) = self.accounts.get(&user_id)?.live.as_ref()?;
        Some(account)
    }

    pub(super) fn events_of(&self, key: AggregateKey) -> Option<&EventsRow> {
        match key {
            AggregateKey::Account { user_id } => Some(&self.accounts.get(&user_id)?.events),
            AggregateKey::Session { session_id } => Some(&self.sessions.get(&session_id)?.events),
            AggregateKey::Mail { mail_id } => Some(&self.mails.get(&mail_id)?.events),
            AggregateKey::Order { .. } => None,
        }
    }

    pub(super) fn events_of_mut(&mut self, key: AggregateKey) -> Option<&mut EventsRow> {
        match key {
            AggregateKey::Account { user_id } => Some(&mut self.accounts.get_mut(&user_id)?.events),
            AggregateKey::Session { session_id } => {
                Some(&mut self.sessions.get_mut(&session_id)?.events)
            }
            AggregateKey::Mail { mail_id } => Some(&mut self.mails.get_mut(&mail_id)?.events),
            AggregateKey::Order { .. } => None,
        }
    }

    /// Records an activity. Does nothing if it is already stored.
    pub(super) fn record(&mut self, owner: ActivityOwner, activity: Activity) {
        if !self.activities.iter().any(|(_, known)| known.id == activity.id) {
            self.activities.push((owner, activity));
        }
    }
}
