//! Shows a user his account, as long as his session is good.

use domain::user::Account;

use crate::outcome::Failure;
use crate::ports::{Accounts, Bearer, Clock, Sessions};

/// The use case with the ports it needs. `D` is everything that is stored.
#[derive(Debug, Clone)]
pub struct ShowAccount<D, K> {
    /// Accounts and sessions.
    pub users: D,
    /// The wall clock.
    pub clock: K,
}

/// An account can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowAccountError {
    /// The session has ended, or the account is gone, while its access token was still good.
    #[error("the session has ended")]
    SessionOver,
    /// It couldn't be read.
    #[error("the account can't be read right now")]
    Unavailable(#[source] Failure),
}

impl<D: Accounts + Sessions, K: Clock> ShowAccount<D, K> {
    /// The bearer's account. Unlike an order's, its use is asked of the session and not only of the
    /// access token, so that a session that was ended ends here at once.
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
