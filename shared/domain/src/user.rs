//! Who orders: accounts, their sessions, and how guessing them is slowed.
//!
//! - [`EmailAddress`]: the form in which addresses are compared
//! - [`check_password`]: which passwords are taken
//! - [`Account`]: a user
//! - [`Session`]: what a login begins, and for how long
//! - [`UserEvent`], [`UserEvents`]: what accounts and sessions raise, and keep of it
//! - [`Guesses`]: how long to wait after wrong passwords
//! - [`ActivityKind`]: what an account's owner can look up

mod account;
mod activity;
mod email;
mod event;
mod guesses;
mod password;
mod session;

pub use account::{Account, AccountRecord};
pub use activity::ActivityKind;
pub use email::{EmailAddress, InvalidEmailAddress};
pub use event::{UserEvent, UserEvents, UserFact};
pub use guesses::{Guesses, MustWait, Patience};
pub use password::{
    PASSWORD_BYTES_MAX, PASSWORD_LENGTH_MIN, PasswordFault, PasswordHash, check_password,
};
pub use session::{REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME, Session};
