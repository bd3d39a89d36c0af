//! How many events may be handled at once.

use std::time::Duration;

use crate::deadline::Deadline;

/// The limit at the start of a window.
const FIRST: f64 = 8.0;

/// A limit that grows with handled events and is halved by failures, like TCP's congestion window
/// (RFC 5681, section 3.1).
///
/// If the table answers slower than events arrive, calls wait for each other until each takes
/// longer than allowed. The table does the work, but nobody waits for the answer any more, and the
/// events are delivered again; this goes on after its cause is over. With fewer calls at once, each
/// of them succeeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Congestion {
    limit: f64,
    most: f64,
    /// Until the first failure the limit doubles with each round; after it, it grows by one a
    /// round.
    is_starting: bool,
    /// Failures before this moment don't halve the limit again: their calls may have begun before
    /// it was halved.
    next_cut: Option<Deadline>,
    round: Duration,
}

impl Congestion {
    /// A limit of at most `most`. A round takes no longer than `round`.
    pub(crate) fn new(most: u16, round: Duration) -> Self {
        let most = f64::from(most.max(1));
        Self { limit: FIRST.min(most), most, is_starting: true, next_cut: None, round }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 1 and 65,535"
    )]
    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    pub(crate) fn handled(&mut self) {
        let more = if self.is_starting { 1.0 } else { self.limit.recip() };
        self.limit = (self.limit + more).min(self.most);
    }

    pub(crate) fn failed(&mut self) {
        self.is_starting = false;
        if self.next_cut.is_none_or(|next| next.has_passed()) {
            self.limit = (self.limit / 2.0).max(1.0);
            self.next_cut = Some(Deadline::after(self.round));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn it_grows_fast_until_something_fails_and_slowly_from_then_on() {
        let mut congestion = Congestion::new(64, ROUND);
        assert_eq!(congestion.limit(), 8);
        (0..8).for_each(|_| congestion.handled());
        assert_eq!(congestion.limit(), 16);
        congestion.failed();
        assert_eq!(congestion.limit(), 8);
        (0..8).for_each(|_| congestion.handled());
        assert_eq!(congestion.limit(), 8);
        (0..8).for_each(|_| congestion.handled());
        assert_eq!(congestion.limit(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_one_round_halve_it_once_and_never_to_nothing() {
        let mut congestion = Congestion::new(64, ROUND);
        (0..100).for_each(|_| congestion.failed());
        assert_eq!(congestion.limit(), 4);
        for _ in 0..10 {
            tokio::time::advance(ROUND).await;
            congestion.failed();
        }
        assert_eq!(congestion.limit(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stays_below_what_is_allowed() {
        let mut congestion = Congestion::new(10, ROUND);
        (0..100).for_each(|_| congestion.handled());
        assert_eq!(congestion.limit(), 10);
        assert_eq!(Congestion::new(0, ROUND).limit(), 1);
    }
}
