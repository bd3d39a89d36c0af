//! Orders, products and events to test with.

use application::event::order_message;
use application::lifetimes;
use application::ports::{
    AccountDeletion, Activity, DeadLetter, HalfMessage, IdempotencyKey, IdentitySource, MessageId,
    NewSession, OutboundMessage, RefreshToken, Registration, Source, TokenRecord,
};
use contracts::event::SCHEMA_VERSION;
use domain::account::{Account, ActivityKind, EmailAddress, PasswordHash, Session, UserEvent};
use domain::event::EventStamp;
use domain::identity::{EventId, ProductId, UserId};
use domain::money::Money;
use domain::order::{NewOrder, Order, OrderLine, OrderLines};
use domain::pending::PendingEvent;
use domain::product::Product;
use domain::timestamp::Timestamp;
use secrecy::SecretString;

/// The trace that sample orders belong to (W3C Trace Context, section 3.2).
pub const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The stamp of a new event without a trace.
pub fn stamp(identities: &impl IdentitySource) -> EventStamp {
    EventStamp::untraced(identities.event_id(), SCHEMA_VERSION)
}

/// The price of each product of a sample order, in minor units.
pub const UNIT_PRICE: u64 = 1_250;

pub fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

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

/// The lines of an order, from pairs of a product and a quantity.
pub fn lines(products: &[(u64, u64)]) -> OrderLines {
    let lines: Vec<_> = products
        .iter()
        .map(|(product, quantity)| OrderLine {
            product_id: product_id(*product),
            quantity: *quantity,
        })
        .collect();
    OrderLines::merge(&lines).unwrap()
}

/// `text` must be valid.
pub fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

/// A new order, and the message of its event.
#[derive(Debug, Clone)]
pub struct SampleOrder {
    /// The order, whose event is pending with its half message stored.
    pub order: NewOrder,
    pub message: OutboundMessage,
}

/// An order of `user_id`, created at `at`. `products` holds pairs of a product and a quantity.
pub fn created(
    identities: &impl IdentitySource,
    user_id: UserId,
    products: &[(u64, u64)],
    at: Timestamp,
) -> SampleOrder {
    let price = |_| Money::from_minor(UNIT_PRICE);
    let stamp = EventStamp { traceparent: Some(TRACEPARENT.to_owned()), ..stamp(identities) };
    let order_id = identities.order_id();
    let lines = lines(products);
    let (order, event) = Order::create(order_id, user_id, &lines, price, at, stamp).unwrap();
    let attempt = identities.transaction_id();
    let pending = PendingEvent::sent(attempt, at, at.plus(lifetimes::SWEEP_AFTER));
    SampleOrder {
        order: NewOrder::new(order, attempt, pending),
        message: order_message(&event).unwrap(),
    }
}

impl SampleOrder {
    /// The half message of the order's attempt, whose local transaction ends at `deadline`.
    pub fn half(&self, deadline: Timestamp) -> HalfMessage<'_> {
        HalfMessage {
            message: &self.message,
            transaction_id: self.order.attempt(),
            deadline,
            is_recorded: false,
        }
    }
}

/// A dead letter of the handler `inventory`, which failed three times since `at`.
pub fn dead_letter(event_id: Option<EventId>, at: Timestamp) -> DeadLetter {
    DeadLetter {
        event_id,
        aggregate: None,
        done_by: std::collections::BTreeSet::new(),
        message_id: MessageId::of("7F00000100002A9F00000000000012AB"),
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

/// `text` must be valid.
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub fn source(address: &str) -> Source {
    Source::of(address.parse().unwrap())
}

/// An activity from the source 192.0.2.1, outside of a session.
pub fn activity(identities: &impl IdentitySource, kind: ActivityKind, at: Timestamp) -> Activity {
    let id = identities.activity_id();
    Activity { id, kind, at, source: source("192.0.2.1"), session: None }
}

#[derive(Debug, Clone)]
pub struct RegisteredUser {
    pub account: Account,
    pub event: UserEvent,
    pub pending: PendingEvent,
    pub activity: Activity,
}

/// A user who registered at `at`.
pub fn registered(
    identities: &impl IdentitySource,
    address: &str,
    at: Timestamp,
) -> RegisteredUser {
    let hash = PasswordHash::from_phc("$argon2id$some".to_owned());
    let user_id = identities.user_id().unwrap();
    let (account, event) = Account::register(user_id, email(address), hash, at, stamp(identities));
    RegisteredUser {
        account,
        event,
        pending: PendingEvent::unsent(identities.transaction_id(), at),
        activity: activity(identities, ActivityKind::Registered, at),
    }
}

impl RegisteredUser {
    pub fn registration(&self) -> Registration<'_> {
        Registration {
            account: &self.account,
            event: &self.event,
            pending: &self.pending,
            activity: &self.activity,
            source_known_until: self.activity.at.plus(lifetimes::KNOWN_SOURCE),
            mail: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DeletedUser {
    pub account: Account,
    pub event: UserEvent,
    pub pending: PendingEvent,
}

pub fn deleted(identities: &impl IdentitySource, account: &Account, at: Timestamp) -> DeletedUser {
    DeletedUser {
        event: account.delete(at, stamp(identities)),
        pending: PendingEvent::unsent(identities.transaction_id(), at),
        account: account.clone(),
    }
}

impl DeletedUser {
    pub const fn deletion(&self) -> AccountDeletion<'_> {
        AccountDeletion { account: &self.account, event: &self.event, pending: &self.pending }
    }
}

pub fn refresh_token(session: &Session, secret: &str) -> RefreshToken {
    let token = RefreshToken::issued(session.id(), &SecretString::from(secret));
    RefreshToken::read(&token).unwrap()
}

#[derive(Debug, Clone)]
pub struct LoggedInUser {
    pub account: Account,
    pub event: UserEvent,
    pub pending: PendingEvent,
    pub session: Session,
    /// The session's first refresh token.
    pub token: TokenRecord,
    pub activity: Activity,
}

/// A user who logged in at `at`. `token` is the secret of the session's first refresh token.
pub fn logged_in(
    identities: &impl IdentitySource,
    account: &Account,
    token: &str,
    at: Timestamp,
) -> LoggedInUser {
    let (account, event) = account.log_in(None, at, stamp(identities)).unwrap();
    let session = Session::begin(identities.session_id(), &account, at);
    LoggedInUser {
        event,
        pending: PendingEvent::unsent(identities.transaction_id(), at),
        session,
        token: TokenRecord {
            hash: refresh_token(&session, token).hash,
            expires_at: session.token_expires_at(at),
        },
        activity: activity(identities, ActivityKind::LoggedIn, at),
        account,
    }
}

impl LoggedInUser {
    pub fn login(&self) -> NewSession<'_> {
        NewSession {
            account: &self.account,
            session: &self.session,
            event: &self.event,
            pending: &self.pending,
            token: &self.token,
            activity: &self.activity,
        }
    }
}
