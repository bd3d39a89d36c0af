//! Shows users what their account was used for.

use domain::identity::ActivityId;

use crate::ports::{Accounts, Activity, ActivityReader, Bearer, Clock, Page, Sessions};
use crate::users::show_account::{ShowAccount, ShowAccountError};

/// How many activities a page has.
const PAGE: u32 = 50;

/// Lists activities. `D` reads accounts, sessions and activities.
pub struct ListActivity<D, K> {
    /// Reads the bearer's account.
    pub show: ShowAccount<D, K>,
    /// The activities of accounts.
    pub log: D,
}

impl<D: Accounts + Sessions + ActivityReader, K: Clock> ListActivity<D, K> {
    /// A page of activities, the newest first: the first page, or the one that begins after
    /// `before`.
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
