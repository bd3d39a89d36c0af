//! Shows a user what his account was used for.

use domain::identity::ActivityId;

use crate::ports::{Accounts, Activity, ActivityReader, Bearer, Clock, Page, Sessions};
use crate::show_account::{ShowAccount, ShowAccountError};

/// How many lines a page has.
const PAGE: u32 = 50;

/// The use case with the ports it needs. `D` is everything that is stored.
pub struct ListActivity<D, K> {
    /// Whose account it is.
    pub show: ShowAccount<D, K>,
    /// What accounts were used for.
    pub log: D,
}

impl<D: Accounts + Sessions + ActivityReader, K: Clock> ListActivity<D, K> {
    /// A page, the newest first: the first, or the one that begins after `before`.
    ///
    /// # Errors
    ///
    /// [`ShowAccountError`]
    pub async fn execute(
        &self,
        bearer: Bearer,
        before: Option<ActivityId>,
    ) -> Result<Page<Activity, ActivityId>, ShowAccountError> {
        let account = self.show.execute(bearer).await?;
        let now = self.show.clock.now();
        let page = self.log.page(account.user_id(), before, PAGE, now).await;
        page.map_err(ShowAccountError::Unavailable)
    }
}
