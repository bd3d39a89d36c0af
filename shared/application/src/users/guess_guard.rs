//! Lets password guesses through, or makes them wait.

use std::time::Duration;

use domain::account::{GuessLimit, Guesses, MustWait};

use crate::outcome::{Failure, FailureClass};
use crate::ports::{Clock, GuessRecords, GuessTarget, GuessUpdate};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The limit of guesses at one account.
pub const ACCOUNT: GuessLimit = GuessLimit { free: 10, forget_after: HOUR.saturating_mul(24) };

/// The limit of guesses from one source, which many people may share.
pub const SOURCE: GuessLimit = GuessLimit { free: 30, forget_after: HOUR };

/// The limit of registrations from one source: each of them shows whether an address has an
/// account.
pub const REGISTRATION: GuessLimit = GuessLimit { free: 200, forget_after: HOUR };

/// The limit of mails that a user asks for who is logged in: they go to an address of the user's
/// choice.
pub const MAIL: GuessLimit = GuessLimit { free: 5, forget_after: HOUR };

/// The limit of mails to one address that its owner has not asked for: an attacker has many
/// accounts.
pub const MAIL_TO: GuessLimit = GuessLimit { free: 5, forget_after: HOUR };

/// The limit of mails that reset the password of one account.
pub const RESET_OF: GuessLimit = GuessLimit { free: 5, forget_after: HOUR };

/// The limit of mails that reset passwords from one source, which many people may share.
pub const RESET_FROM: GuessLimit = GuessLimit { free: 30, forget_after: HOUR };

/// How often a count is repeated because other requests changed it meanwhile. Each time another
/// guess was let through, so the target's limit also bounds this.
const ROUNDS_MAX: u32 = 256;

/// How often, and after which pauses, a guess looks whether those under way were right: for about a
/// second, so that an attacker's requests do not keep functions busy for long.
const LOOKS_MAX: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Counts guesses before they are checked, so that of any number at once only the allowed number is
/// checked. If a guess can't be counted, it is not checked.
#[derive(Debug, Clone)]
pub struct GuessGuard<Records, Time> {
    pub records: Records,
    pub clock: Time,
}

#[derive(Debug, thiserror::Error)]
pub enum GuessRefused {
    /// There were too many guesses. The next one is allowed after this time.
    #[error("there were too many guesses; wait {0:?}")]
    Wait(Duration),
    /// The guess could not be counted.
    #[error("the guess could not be counted")]
    Unavailable(#[source] Failure),
}

impl<Records: GuessRecords, Time: Clock> GuessGuard<Records, Time> {
    /// Counts one more guess at a target, before it is checked. Returns whether the next one has to
    /// wait. While as many guesses as are allowed are under way, this call waits for about a
    /// second: they may be right, and right passwords of many people at once must not make each
    /// other wait.
    ///
    /// # Errors
    ///
    /// [`GuessRefused`] if it is not allowed or can't be counted.
    pub async fn admit(
        &self,
        target: GuessTarget,
        limit: GuessLimit,
    ) -> Result<bool, GuessRefused> {
        let counted = self.one_more(target, limit, LOOKS_MAX).await?;
        Ok(counted.is_waiting(limit))
    }

    /// Counts one more request that is not checked afterwards, so that waiting for others is no
    /// use.
    ///
    /// # Errors
    ///
    /// [`GuessRefused`] if it is not allowed or can't be counted.
    pub async fn count(&self, target: GuessTarget, limit: GuessLimit) -> Result<(), GuessRefused> {
        self.one_more(target, limit, 0).await.map(drop)
    }

    async fn one_more(
        &self,
        target: GuessTarget,
        limit: GuessLimit,
        mut looks: u32,
    ) -> Result<Guesses, GuessRefused> {
        let mut known = self.records.find(target).await.map_err(GuessRefused::Unavailable)?;
        for _ in 0..ROUNDS_MAX {
            let now = self.clock.now();
            let counted = match Guesses::one_more(known, limit, now) {
                Ok(counted) => counted,
                Err(MustWait(wait)) => {
                    let may_end = known.is_some_and(|known| known.may_be_taken_back(limit, now));
                    if looks == 0 || !may_end {
                        return Err(GuessRefused::Wait(wait));
                    }
                    looks -= 1;
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                    known = self.records.find(target).await.map_err(GuessRefused::Unavailable)?;
                    continue;
                }
            };
            let replaced = self.records.replace(target, known, Some(counted)).await;
            match replaced.map_err(GuessRefused::Unavailable)? {
                GuessUpdate::Done => return Ok(counted),
                GuessUpdate::Found(found) => known = found,
            }
        }
        let busy = Failure::new(FailureClass::Conflict, "other guesses keep changing the count");
        Err(GuessRefused::Unavailable(busy))
    }

    /// Forgets all guesses at a target, after a right one. If that fails, the next wrong guess only
    /// has to wait earlier.
    pub async fn forgive(&self, target: GuessTarget) {
        self.change(target, |_| None).await;
    }

    /// Takes a right guess back, so that it is not counted.
    pub async fn take_back(&self, target: GuessTarget, limit: GuessLimit) {
        self.change(target, |known| known.take_back(limit)).await;
    }

    async fn change(&self, target: GuessTarget, change: impl Fn(Guesses) -> Option<Guesses>) {
        if let Err(failure) = self.try_to_change(target, change).await {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "could not reset the guess counter"
            );
        }
    }

    async fn try_to_change(
        &self,
        target: GuessTarget,
        change: impl Fn(Guesses) -> Option<Guesses>,
    ) -> Result<(), Failure> {
        let mut known = self.records.find(target).await?;
        for _ in 0..ROUNDS_MAX {
            let Some(guesses) = known else { return Ok(()) };
            match self.records.replace(target, known, change(guesses)).await? {
                GuessUpdate::Done => return Ok(()),
                GuessUpdate::Found(found) => known = found,
            }
        }
        Err(Failure::new(FailureClass::Conflict, "other guesses keep changing the count"))
    }
}
