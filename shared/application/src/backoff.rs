//! How long to wait between tries.

use std::time::Duration;

use crate::deadline::Deadline;

/// Waits that double, each a random time between zero and its bound.
///
/// "Full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter"): tries that collided
/// once don't collide again.
#[derive(Debug, Clone)]
pub struct Backoff {
    bound: Duration,
    most: Duration,
    state: u64,
}

impl Backoff {
    /// Waits from `first` to `most`. The seed makes them reproducible; tries that may collide need
    /// different seeds, such as a part of their identifiers.
    pub const fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { bound: first, most, state: seed }
    }

    /// The next wait, at random.
    pub fn next_wait(&mut self) -> Duration {
        let bound = u64::try_from(self.bound.as_micros()).unwrap_or(u64::MAX);
        self.bound = self.bound.saturating_mul(2).min(self.most);
        Duration::from_micros(self.draw() % bound.saturating_add(1))
    }

    /// Waits, but not beyond the deadline.
    pub async fn wait(&mut self, deadline: Deadline) {
        tokio::time::sleep(self.next_wait().min(deadline.remaining())).await;
    }

    /// `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
    const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A seed from the low half of an identifier, which is random in a `UUIDv7`, so that tries that may
/// collide wait differently.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub(crate) const fn seed(id: &uuid::Uuid) -> u64 {
    id.as_u128() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_differ_by_seed() {
        let draw = |seed| {
            let mut backoff =
                Backoff::new(Duration::from_millis(10), Duration::from_millis(100), seed);
            (0..50).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert!(draw(1)[0] <= Duration::from_millis(10));
        assert!(draw(1).iter().all(|wait| *wait <= Duration::from_millis(100)));
        assert!(draw(1).iter().any(|wait| *wait > Duration::from_millis(40)));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
