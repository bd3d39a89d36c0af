//! Lets guesses through, or makes them wait.

use std::time::Duration;

use domain::user::{Guesses, MustWait, Patience};

use crate::outcome::{Failure, FailureClass};
use crate::ports::{Clock, GuessRecords, GuessTarget, Replaced};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// With guesses at one account.
pub const ACCOUNT: Patience = Patience { free: 10, forget_after: HOUR.saturating_mul(24) };

/// With guesses from one source. Many people may share one.
pub const SOURCE: Patience = Patience { free: 30, forget_after: HOUR };

/// With registrations from one source, each of which tells whether an address is taken.
pub const REGISTRATION: Patience = Patience { free: 200, forget_after: HOUR };

/// How often the guesses are counted anew that others counted meanwhile. Each time one of theirs
/// was let through, so a target's patience bounds it.
const ROUNDS_MAX: u32 = 256;

/// Counts guesses before they are judged, so that of any number at once no more are judged than may
/// be. When they can't be counted, nothing is judged.
#[derive(Debug, Clone)]
pub struct GuessGuard<G, K> {
    /// How often was guessed.
    pub records: G,
    /// The wall clock.
    pub clock: K,
}

/// A guess is not let through.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// There were too many.
    #[error("there were too many guesses; wait {0:?}")]
    Wait(Duration),
    /// It could not be counted.
    #[error("the guess could not be counted")]
    Unavailable(#[source] Failure),
}

impl<G: GuessRecords, K: Clock> GuessGuard<G, K> {
    /// Counts one more guess at a target. Tells whether the next one has to wait.
    ///
    /// # Errors
    ///
    /// [`NotNow`] if it may not be made.
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
        let busy = Failure::new(FailureClass::Conflict, "others are counted all the time");
        Err(NotNow::Unavailable(busy))
    }

    /// Forgets all guesses at a target, after a right one. What isn't forgotten only makes the next
    /// wrong one wait earlier.
    pub async fn forgive(&self, target: GuessTarget) {
        self.change(target, |_| None).await;
    }

    /// Takes a right guess back.
    pub async fn take_back(&self, target: GuessTarget, patience: Patience) {
        self.change(target, |known| known.take_back(patience)).await;
    }

    async fn change(&self, target: GuessTarget, change: impl Fn(Guesses) -> Option<Guesses>) {
        if let Err(failure) = self.try_to_change(target, change).await {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "a right guess stays counted"
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
        Err(Failure::new(FailureClass::Conflict, "others are counted all the time"))
    }
}
