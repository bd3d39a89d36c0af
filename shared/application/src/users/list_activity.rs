//! Shows users what their account was used for.

use domain::identity::ActivityId;

use crate::ports::{Accounts, Activity, ActivityReader, Bearer, Clock, Page, Sessions};
use crate::users::show_account::{ShowAccount, ShowAccountError};

/// How many activities a page has.
const PAGE: u32 = 50;

/// Lists activities. `Store` has accounts, sessions and activities.
pub struct ListActivity<Store, Time> {
    pub show: ShowAccount<Store, Time>,
    pub log: Store,
}

impl<Store: Accounts + Sessions + ActivityReader, Time: Clock> ListActivity<Store, Time> {
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
