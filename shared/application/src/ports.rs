//! What the use cases ask of the world.
//!
//! One narrow trait per capability, so that a function takes, links and may do only what it needs.
//! The contract of each is its doc comment. For a port before a table or the broker, a suite of
//! `testkit::contract` repeats it as tests that every adapter passes.

mod catalog;
mod channel;
mod clock;
pub mod creating;
mod dead_letters;
mod gauges;
mod health;
mod identity;
pub mod letters;
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
    InvalidDeadLetterId, LetterGone,
};
pub use gauges::ClusterGauges;
pub use health::{NameServers, Tables};
pub use identity::IdentitySource;
pub use orders::{IdempotencyKey, OrderReader};
pub use page::Page;
pub use security::{
    AccessToken, AccessTokenIssuer, AccessTokenVerifier, Bearer, InvalidToken, PasswordHasher,
    PasswordVerifier, PublishedKeys, RefreshTokenSource, SigningKeyGenerator, SigningKeySource,
    SigningKeyStore, VerificationKey, VerificationKeyStore, VerificationKeys, VerifyTokenError,
};
pub use users::{
    AccountChange, AccountDeletion, AccountRemoval, AccountRepository, Accounts, Activity,
    ActivityLog, ActivityReader, AddressDigest, ChangeCancelled, Exchange, FoundToken,
    GuessRecords, GuessTarget, KnownSourceRemoval, KnownSources, NewSession, RefreshToken,
    Registration, RegistrationCancelled, Replaced, Rotation, Sessions, Source, TokenHash,
    TokenRecord, UserRepository, Whose,
};
