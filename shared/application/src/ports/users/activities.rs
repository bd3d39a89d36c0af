use std::future::Future;

use domain::account::ActivityKind;
use domain::identity::{ActivityId, SessionId, UserId};
use domain::timestamp::Timestamp;

use crate::outcome::Failure;
use crate::ports::{AddressDigest, IdentitySource, Page, Source};

/// Something that happened to an account, which its user can look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its identifier, by which activities are sorted.
    pub id: ActivityId,
    /// What happened.
    pub kind: ActivityKind,
    /// When it happened, by the wall clock.
    pub at: Timestamp,
    /// The network from which it was requested.
    pub source: Source,
    /// The session in which it was requested; `None` without one, as for a failed login.
    pub session: Option<SessionId>,
}

impl Activity {
    /// An activity with a new identifier.
    pub fn new(
        identities: &impl IdentitySource,
        kind: ActivityKind,
        at: Timestamp,
        source: Source,
        session: Option<SessionId>,
    ) -> Self {
        Self { id: identities.activity_id(), kind, at, source, session }
    }
}

/// Whose activity it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityOwner {
    /// The account of a user.
    User(UserId),
    /// No account: somebody tried an address without one. A record is written so that this takes
    /// the same time, and it expires soon.
    UnknownAddress(AddressDigest),
}

/// Records what accounts are used for.
pub trait ActivityLog: Send + Sync {
    /// Records an activity.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not recorded, or if that is unknown.
    fn record(
        &self,
        owner: ActivityOwner,
        activity: &Activity,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Lists what an account was used for.
pub trait ActivityReader: Send + Sync {
    /// A page of a user's activities, the newest first: the first page, or the one that begins
    /// after `before`. It MUST NOT contain activities that have expired at `now`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn page(
        &self,
        user_id: UserId,
        before: Option<ActivityId>,
        limit: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page<Activity, ActivityId>, Failure>> + Send;
}
