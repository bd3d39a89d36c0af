//! What the use cases need from the outside.
//!
//! One narrow trait per capability, so that a function takes, links and may do only what it needs.
//! The doc comment of each trait is its contract. For a port of a table or of the broker, a suite
//! in `testkit::contract` tests that contract with every adapter.

#![warn(missing_docs)]

mod catalog;
mod channel;
mod clock;
pub mod creating;
mod dead_letters;
mod gauges;
mod health;
mod identity;
pub mod letters;
pub mod listing;
pub mod mail;
mod orders;
mod page;
pub mod pending;
pub mod reading;
mod security;
mod users;

pub use catalog::Catalog;
pub use channel::{
    BODY_BYTES_MAX, CheckAnswer, CheckBack, CheckBackHandler, DeadLetterChannel, Delivery,
    EndError, EventSubscription, HalfMessage, OutboundMessage, PrepareError, PublishedEvents,
    Resolution, Topic, TransactionalPublisher, UnreadableBody,
};
pub use clock::Clock;
pub use dead_letters::{
    DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, DeadLetterSummary,
    InvalidDeadLetterId, LetterNotFound,
};
pub use gauges::ClusterGauges;
pub use health::{NameServers, Tables};
pub use identity::IdentitySource;
pub use orders::{IdempotencyKey, OrderReader};
pub use page::{Page, PageLimit};
pub use security::{
    AccessToken, AccessTokenIssuer, AccessTokenVerifier, Bearer, InvalidToken, PasswordHasher,
    PasswordVerifier, PublishedKeys, RefreshTokenSource, SigningKeyGenerator, SigningKeySource,
    SigningKeyStore, VerificationKey, VerificationKeyStore, VerificationKeys, VerifyTokenError,
};
pub use users::{
    AccountAtKey, AccountChange, AccountDeletion, AccountRemoval, AccountRepository, Accounts,
    Activity, ActivityLog, ActivityOwner, ActivityReader, AddressDigest, CancelledAddition,
    CancelledChange, CancelledExchange, CancelledRegistration, Exchange, FoundToken, GuessRecords,
    GuessTarget, GuessUpdate, KnownSourceRemoval, KnownSources, NewSession, RefreshToken,
    Registration, Rotation, Sessions, Source, TokenHash, TokenRecord, UserRepository,
};
