//! Users: accounts, sessions, and the waits that slow down password guessing.
//!
//! - [`EmailAddress`]: an address as it was typed, and the form in which addresses are compared
//! - [`check_password`]: which passwords are accepted
//! - [`Account`]: a registered user
//! - [`Session`]: a login, and how long it lasts
//! - [`MailRequest`]: a mail that was asked for, and what its token is good for
//! - [`UserEvent`], [`UserEvents`]: the events of accounts, sessions and mails
//! - [`Guesses`]: how long to wait after wrong passwords
//! - [`RateUse`]: how often something right may be done
//! - [`ActivityKind`]: what users can look up about their accounts

mod account;
mod activity;
mod email;
mod event;
mod guesses;
mod mail;
mod password;
mod rate;
mod session;

pub use account::{Account, AccountRecord, EXCHANGES, LOGINS};
pub use activity::ActivityKind;
pub use email::{AddressKey, EmailAddress, InvalidEmailAddress};
pub use event::{UserEvent, UserEvents, UserFact};
pub use guesses::{GuessLimit, Guesses, MustWait};
pub use mail::{MAIL_REQUEST_LIFETIME, MAIL_TOKEN_LIFETIME, MailPurpose, MailRequest};
pub use password::{
    PASSWORD_BYTES_MAX, PASSWORD_LENGTH_MIN, PasswordFault, PasswordHash, check_password,
};
pub use rate::{Rate, RateUse};
pub use session::{REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME, Session, SessionRecord};
