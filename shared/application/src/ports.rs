//! What the use cases need from the outside, by subject.
//!
//! One narrow trait per capability, so that a function takes, links and may do only what it needs.
//! The doc comment of each trait is its contract. For a port of a table or of the broker, a suite
//! in `testkit::contract` tests that contract with every adapter.
//!
//! A module is public if its items need the module's name in front of theirs; the items of all
//! other modules are re-exported here.

#![warn(missing_docs)]

pub mod aggregates;
mod broker;
mod clock;
mod dead_letters;
mod health;
mod identity;
pub mod mail;
mod orders;
mod page;
pub mod pending;
mod products;
mod security;
pub mod stock;
mod users;

pub use broker::deliveries::{BODY_BYTES_MAX, Delivery, EventSubscription, UnreadableBody};
pub use broker::half_messages::{
    CheckAnswer, CheckBack, CheckBackHandler, EndError, HalfMessage, OutboundMessage, PrepareError,
    Resolution, TransactionalPublisher,
};
pub use broker::topics::{ClusterGauges, GroupPosition, PublishedEvents, Topic};
pub use clock::Clock;
pub use dead_letters::{
    DeadLetter, DeadLetterChannel, DeadLetterId, DeadLetterMoves, DeadLetterReader,
    DeadLetterRemoval, DeadLetterSummary, InvalidDeadLetterId, LetterNotFound, MessageId,
    MoveCancelled,
};
pub use health::{NameServers, OrderRoute, Tables};
pub use identity::IdentitySource;
pub use orders::{Fences, IdempotencyKey, OrderCreation, OrderKeys, OrderListing, OrderPosition};
pub use page::{Page, PageLimit};
pub use products::{Catalog, ProductListing};
pub use security::access_tokens::{
    AccessToken, AccessTokenIssuer, AccessTokenVerifier, Bearer, InvalidToken, VerifyTokenError,
};
pub use security::passwords::PasswordHasher;
pub use security::signing_keys::{
    PublishedKeys, SigningKeyGenerator, SigningKeySource, SigningKeyStore, VerificationKey,
    VerificationKeyStore, VerificationKeys,
};
pub use users::accounts::{
    AccountAtKey, AccountChange, AccountRepository, Accounts, CancelledAddition, CancelledChange,
};
pub use users::activities::{Activity, ActivityLog, ActivityOwner, ActivityReader};
pub use users::guesses::{GuessRecords, GuessTarget, GuessUpdate};
pub use users::registration::{CancelledRegistration, Registration};
pub use users::removal::{AccountDeletion, AccountRemoval};
pub use users::sessions::{
    CancelledExchange, Exchange, FoundToken, NewExchange, NewSession, Sessions,
};
pub use users::sources::{AddressDigest, KnownSourceRemoval, KnownSources, Source};
pub use users::tokens::{RefreshToken, RefreshTokenSource, TokenHash, TokenRecord};
