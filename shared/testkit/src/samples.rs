//! Orders, products and events to test with.

use application::event::{order_message, unpublished, unpublished_of_user};
use application::lifetimes;
use application::ports::{
    Activity, DeadLetter, IdempotencyKey, IdempotencyRecord, IdentitySource, InboxRecord,
    NewSession, Placement, RecordedEvent, Registration, RequestHash, Source, TokenHash,
    TokenRecord,
};
use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{EventId, ProductId, UserId};
use domain::money::Money;
use domain::order::{Order, OrderEvent, OrderLine, OrderLines};
use domain::product::Product;
use domain::timestamp::Timestamp;
use domain::user::{Account, ActivityKind, EmailAddress, PasswordHash, Session};

/// The trace that sample orders belong to (W3C Trace Context, section 3.2).
pub const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The stamp of a new event, untraced.
pub fn stamp(identities: &impl IdentitySource) -> EventStamp {
    EventStamp::untraced(identities.event_id(), SCHEMA_VERSION)
}

/// What each product of a sample order costs, in minor units.
pub const UNIT_PRICE: u64 = 1_250;

/// A user.
pub fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

/// A product's identifier.
pub fn product_id(number: u64) -> ProductId {
    ProductId::new(number).unwrap()
}

/// A product that costs [`UNIT_PRICE`].
pub fn product(number: u64, stock: u32) -> Product {
    Product {
        id: product_id(number),
        name: format!("product {number}"),
        unit_price: Money::from_minor(UNIT_PRICE).unwrap(),
        stock,
    }
}

/// Lines of products and quantities.
pub fn lines(of: &[(u64, u64)]) -> OrderLines {
    let lines: Vec<_> = of
        .iter()
        .map(|(product, quantity)| OrderLine {
            product_id: product_id(*product),
            quantity: *quantity,
        })
        .collect();
    OrderLines::merge(&lines).unwrap()
}

/// An idempotency key.
pub fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

/// An order with everything that its placement stores.
#[derive(Debug, Clone)]
pub struct TakenOrder {
    /// The order, CREATED.
    pub order: Order,
    /// What it asks for.
    pub lines: OrderLines,
    /// Its `OrderCreated`, for the outbox.
    pub event: RecordedEvent,
    /// When it was taken.
    pub at: Timestamp,
    /// The key and its record, when it was taken under one.
    pub idempotency: Option<(IdempotencyKey, IdempotencyRecord)>,
}

/// An order of a user that was taken at `at`.
pub fn taken(
    identities: &impl IdentitySource,
    user_id: UserId,
    of: &[(u64, u64)],
    at: Timestamp,
) -> TakenOrder {
    let lines = lines(of);
    let price = |_| Money::from_minor(UNIT_PRICE);
    let stamp = EventStamp {
        event_id: identities.event_id(),
        schema_version: SCHEMA_VERSION,
        traceparent: Some(TRACEPARENT.to_owned()),
    };
    let order_id = identities.order_id();
    let (order, event) = Order::create(order_id, user_id, &lines, price, at, stamp).unwrap();
    let event = RecordedEvent {
        message: order_message(&event).unwrap(),
        transaction_id: identities.transaction_id(),
        recorded_at: at,
        unpublished: false,
        sweep_due: at.plus(lifetimes::SWEEP_AFTER),
    };
    TakenOrder { order, lines, event, at, idempotency: None }
}

impl TakenOrder {
    /// The order under a key, whose record expires at `expires_at`.
    #[must_use]
    pub fn under(mut self, text: &str, expires_at: Timestamp) -> Self {
        let record = IdempotencyRecord {
            request_hash: RequestHash::new([7; 32]),
            order_id: self.order.id(),
            answer: format!("{{\"order_id\":\"{}\"}}", self.order.id()),
            transaction_id: self.event.transaction_id,
            expires_at,
        };
        self.idempotency = Some((key(text), record));
        self
    }

    /// The record of its key.
    pub fn record(&self) -> &IdempotencyRecord {
        &self.idempotency.as_ref().unwrap().1
    }

    /// Its placement.
    pub fn placement(&self) -> Placement<'_> {
        Placement {
            order: &self.order,
            event: &self.event,
            idempotency: self.idempotency.as_ref().map(|(key, record)| (key, record)),
            now: self.at,
        }
    }

    /// That a handler has done its part for its event.
    pub fn inbox(&self, handler: &'static str) -> InboxRecord {
        inbox(handler, self.event.message.event_id, self.at)
    }

    /// A dead letter of its event, as its message came.
    pub fn dead_letter(&self) -> DeadLetter {
        let message = &self.event.message;
        DeadLetter {
            body: message.body.clone().into_bytes(),
            body_bytes: message.body.len(),
            traceparent: message.traceparent.clone(),
            ..dead_letter(Some(message.event_id), self.at)
        }
    }
}

/// That a handler has done its part for an event.
pub fn inbox(handler: &'static str, event_id: EventId, at: Timestamp) -> InboxRecord {
    InboxRecord { handler, event_id, at, expires_at: at.plus(lifetimes::INBOX) }
}

/// The outbox copy of what became of an order.
pub fn follow_up(identities: &impl IdentitySource, event: &OrderEvent) -> RecordedEvent {
    unpublished(identities.transaction_id(), event).unwrap()
}

/// A dead letter.
pub fn dead_letter(event_id: Option<EventId>, at: Timestamp) -> DeadLetter {
    DeadLetter {
        event_id,
        aggregate: None,
        done_by: std::collections::BTreeSet::new(),
        message_id: "7F00000100002A9F00000000000012AB".to_owned(),
        body: b"{}".to_vec(),
        body_bytes: 2,
        traceparent: None,
        reason: "it broke".to_owned(),
        handler: Some("inventory".to_owned()),
        attempts: 3,
        first_failed_at: at,
        expires_at: Some(at.plus(lifetimes::DEAD_LETTER)),
    }
}

/// An e-mail address.
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// A source, by its address.
pub fn source(address: &str) -> Source {
    Source::of(address.parse().unwrap())
}

/// An activity from some source, in no session.
pub fn activity(identities: &impl IdentitySource, kind: ActivityKind, at: Timestamp) -> Activity {
    let id = identities.activity_id();
    Activity { id, kind, at, source: source("192.0.2.1"), session: None }
}

/// A new account with everything that its registration stores.
#[derive(Debug, Clone)]
pub struct RegisteredUser {
    /// The account.
    pub account: Account,
    /// Its `UserRegistered`, for the outbox.
    pub event: RecordedEvent,
    /// What its owner can look up.
    pub activity: Activity,
}

/// An account that was registered at `at`.
pub fn registered(
    identities: &impl IdentitySource,
    address: &str,
    at: Timestamp,
) -> RegisteredUser {
    let hash = PasswordHash::from_phc("$argon2id$some".to_owned());
    let user_id = identities.user_id().unwrap();
    let (account, event) = Account::register(user_id, email(address), hash, at);
    let (event_id, attempt) = (identities.event_id(), identities.transaction_id());
    RegisteredUser {
        account,
        event: unpublished_of_user(event_id, attempt, &event, None).unwrap(),
        activity: activity(identities, ActivityKind::Registered, at),
    }
}

impl RegisteredUser {
    /// Its registration.
    pub fn registration(&self) -> Registration<'_> {
        Registration {
            account: &self.account,
            event: &self.event,
            activity: &self.activity,
            source_known_until: self.activity.at.plus(lifetimes::KNOWN_SOURCE),
        }
    }
}

/// A login with everything that it stores.
#[derive(Debug, Clone)]
pub struct LoggedInUser {
    /// The account after it.
    pub account: Account,
    /// Its `UserLoggedIn`, for the outbox.
    pub event: RecordedEvent,
    /// The session that it begins.
    pub session: Session,
    /// The session's first refresh token.
    pub token: TokenRecord,
    /// What the owner can look up.
    pub activity: Activity,
}

/// A login to an account at `at`. `token` is the session's first refresh token.
pub fn logged_in(
    identities: &impl IdentitySource,
    account: &Account,
    token: &str,
    at: Timestamp,
) -> LoggedInUser {
    let (account, event) = account.log_in(None, at);
    let session = Session::begin(identities.session_id(), &account, at);
    let (event_id, attempt) = (identities.event_id(), identities.transaction_id());
    LoggedInUser {
        event: unpublished_of_user(event_id, attempt, &event, None).unwrap(),
        session,
        token: TokenRecord { hash: TokenHash::of(token), expires_at: session.token_expires_at(at) },
        activity: activity(identities, ActivityKind::LoggedIn, at),
        account,
    }
}

impl LoggedInUser {
    /// Its login.
    pub fn login(&self) -> NewSession<'_> {
        NewSession {
            account: &self.account,
            event: &self.event,
            session: &self.session,
            token: &self.token,
            activity: &self.activity,
        }
    }
}
