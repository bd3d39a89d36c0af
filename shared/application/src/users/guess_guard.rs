//! Lets password guesses through, or makes them wait.

use std::time::Duration;

use domain::user::{Guesses, MustWait, Patience};

use crate::outcome::{Failure, FailureClass};
use crate::ports::{Clock, GuessRecords, GuessTarget, Replaced};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The limit of guesses at one account.
pub const ACCOUNT: Patience = Patience { free: 10, forget_after: HOUR.saturating_mul(24) };

/// The limit of guesses from one source, which many people may share.
pub const SOURCE: Patience = Patience { free: 30, forget_after: HOUR };

/// The limit of registrations from one source: each of them shows whether an address has an
/// account.
pub const REGISTRATION: Patience = Patience { free: 200, forget_after: HOUR };

/// How often a count is repeated because other requests changed it meanwhile. Each time another
/// guess was let through, so the target's limit also bounds this.
const ROUNDS_MAX: u32 = 256;

/// Counts guesses before they are checked, so that of any number at once only the allowed number is
/// checked. If a guess can't be counted, it is not checked.
#[derive(Debug, Clone)]
pub struct GuessGuard<G, K> {
    /// The stored counts of guesses.
    pub records: G,
    /// The wall clock by which guesses wait.
    pub clock: K,
}

/// Why a guess is not let through.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// There were too many guesses. The next one is allowed after this time.
    #[error("there were too many guesses; wait {0:?}")]
    Wait(Duration),
    /// It could not be counted.
    #[error("the guess could not be counted")]
    Unavailable(#[source] Failure),
}

impl<G: GuessRecords, K: Clock> GuessGuard<G, K> {
    /// Counts one more guess at a target. Returns whether the next one has to wait.
    ///
    /// # Errors
    ///
    /// [`NotNow`] if it is not allowed or can't be counted.
    pub async fn admit(&self, target: GuessTarget, patience: Patience) -> Result<bool, NotNow> {
        let mut known = self.records.find(target).await.map_err(NotNow::Unavailable)?;
        for _ in 0..ROUNDS_MAX {
            let counted = Guesses::one_more(known, patience, self.clock.now())
                .map_err(|MustWait(wait)| NotNow::Wait(wait))?;
            let replaced = self.records.replace(target, known, Some(counted)).await;
            match replaced.map_err(NotNow::Unavailable)? {
                Replaced::Done => return Ok(counted.is_waiting(patience)),
                Replaced::Found(found) => known = found,
            }
        }
        let busy = Failure::new(FailureClass::Conflict, "other guesses keep changing the count");
        Err(NotNow::Unavailable(busy))
    }

    /// Forgets all guesses at a target, after a right one. If that fails, the next wrong guess only
    /// has to wait earlier.
    pub async fn forgive(&self, target: GuessTarget) {
        self.change(target, |_| None).await;
    }

    /// Takes a right guess back, so that it is not counted.
    pub async fn take_back(&self, target: GuessTarget, patience: Patience) {
        self.change(target, |known| known.take_back(patience)).await;
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
                Replaced::Done => return Ok(()),
                Replaced::Found(found) => known = found,
            }
        }
        Err(Failure::new(FailureClass::Conflict, "other guesses keep changing the count"))
    }
}
