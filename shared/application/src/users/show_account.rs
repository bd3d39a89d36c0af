//! Shows users their account, while their session is good.

use domain::account::Account;

use crate::outcome::Failure;
use crate::ports::{Accounts, Bearer, Clock, Sessions};

/// Shows accounts. `Store` has accounts and sessions.
#[derive(Debug, Clone)]
pub struct ShowAccount<Store, Time> {
    pub users: Store,
    pub clock: Time,
}

#[derive(Debug, thiserror::Error)]
pub enum ShowAccountError {
    /// The session has ended or the account is deleted, while the access token is still good.
    #[error("the session has ended")]
    SessionOver,
    #[error("reading the account is temporarily unavailable")]
    Unavailable(#[source] Failure),
}

impl<Store: Accounts + Sessions, Time: Clock> ShowAccount<Store, Time> {
    /// The bearer's account. Unlike for orders, the session is checked as well as the access token,
    /// so that an ended session has no access at once.
    ///
    /// # Errors
    ///
    /// [`ShowAccountError`]
    pub async fn execute(&self, bearer: Bearer) -> Result<Account, ShowAccountError> {
        let unavailable = ShowAccountError::Unavailable;
        let session = Sessions::by_id(&self.users, bearer.session_id).await.map_err(unavailable)?;
        let account = Accounts::by_id(&self.users, bearer.user_id).await.map_err(unavailable)?;
        let (Some(session), Some(account)) = (session, account) else {
            return Err(ShowAccountError::SessionOver);
        };
        if session.is_good(&account, self.clock.now()) {
            Ok(account)
        } else {
            Err(ShowAccountError::SessionOver)
        }
    }
}
