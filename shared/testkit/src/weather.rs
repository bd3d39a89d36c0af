//! Random faults, with frequencies drawn from a seed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use application::outcome::FailureClass;
use fastrand::Rng;

use crate::fault::{BrokerFault, Fault, Operation};

/// The longest latency of a call in each direction.
const LATENCY_MAX_MS: u64 = 120;

/// The faults of calls that no test has scripted; none by default. Clones share one random number
/// generator, so the seed and the order of calls decide everything.
#[derive(Debug, Clone, Default)]
pub struct Weather(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    rng: Rng,
    odds: Odds,
    stormy: bool,
    /// While the outage lasts, every call to a table meets this fault.
    outage: Option<Fault>,
    met: BTreeSet<String>,
}

/// For each fault, how many of 1,000 calls that can meet it do.
///
/// Each seed has its own mix, and leaves some faults out completely: an error that a frequent fault
/// hides appears where that fault is missing ("swarm testing", Groce et al., ISSTA 2012).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Odds {
    /// [`Fault::ReplyLost`]
    pub reply_lost: u16,
    /// [`Fault::RequestLost`]
    pub request_lost: u16,
    /// [`Fault::LandsLate`]
    pub lands_late: u16,
    /// [`Fault::Refused`] by a table that is unavailable or throttles.
    pub refused: u16,
    /// [`Fault::Busy`]
    pub busy: u16,
    /// One for each [`BrokerFault`], in the order of its variants.
    pub broker: [u16; 13],
    /// Deliverable messages that later ones overtake.
    pub overtaken: u16,
    /// Writes under way that arrive although their process died.
    pub lands_after_crash: u16,
}

impl Odds {
    fn draw(rng: &mut Rng) -> Self {
        let mut pick = || if rng.bool() { [2, 10, 50, 200][rng.usize(..4)] } else { 0 };
        let mut odds = Self {
            reply_lost: pick(),
            request_lost: pick(),
            lands_late: pick(),
            refused: pick(),
            busy: pick(),
            broker: [0; 13],
            overtaken: pick(),
            lands_after_crash: 500,
        };
        odds.broker.iter_mut().for_each(|odds| *odds = pick());
        odds
    }

    const fn of_broker(&self, fault: BrokerFault) -> u16 {
        self.broker[fault as usize]
    }
}

impl Weather {
    /// Every fault is determined by the seed.
    pub fn seeded(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let odds = Odds::draw(&mut rng);
        let (stormy, outage, met) = (true, None, BTreeSet::new());
        Self(Some(Arc::new(Mutex::new(State { rng, odds, stormy, outage, met }))))
    }

    /// Kinds of faults that calls and processes met so far.
    pub fn met(&self) -> BTreeSet<String> {
        self.state().map(|state| state.met.clone()).unwrap_or_default()
    }

    /// Records a fault that the weather did not draw itself.
    pub(crate) fn meet(&self, fault: impl fmt::Display) {
        if let Some(mut state) = self.state() {
            state.met.insert(fault.to_string());
        }
    }

    pub fn odds(&self) -> Odds {
        self.state().map(|state| state.odds).unwrap_or_default()
    }

    /// Starts an outage: every call to a table meets the same fault.
    pub fn begin_outage(&self) {
        if let Some(mut state) = self.state() {
            let faults = [Fault::ReplyLost, Fault::RequestLost, Fault::LandsLate, Fault::Busy];
            state.outage = Some(faults[state.rng.usize(..faults.len())]);
        }
    }

    pub fn end_outage(&self) {
        if let Some(mut state) = self.state() {
            state.outage = None;
        }
    }

    /// Ends all faults for good. Calls keep their latency.
    pub fn calm_down(&self) {
        if let Some(mut state) = self.state() {
            state.stormy = false;
            state.outage = None;
        }
    }

    /// A number below `bound`, or 0 in weather without a seed.
    pub fn below(&self, bound: u64) -> u64 {
        self.state().map_or(0, |mut state| state.rng.u64(..bound.max(1)))
    }

    /// `true` in `per_mille` of 1,000 calls on average while the storm lasts, and `false` after it.
    pub fn happens(&self, per_mille: u16) -> bool {
        self.state().is_some_and(|mut state| state.happens(per_mille))
    }

    /// Waits for the latency of a call, in one direction. Without a seed it only yields to other tasks.
    pub(crate) async fn travel(&self) {
        if self.0.is_none() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(self.below(LATENCY_MAX_MS))).await;
        }
    }

    pub(crate) fn table_fault(&self, _operation: Operation) -> Option<Fault> {
        let mut state = self.state()?;
        if let Some(fault) = state.outage {
            state.met.insert(format!("{fault:?} in an outage"));
            return state.outage;
        }
        let odds = state.odds;
        let class =
            if state.rng.bool() { FailureClass::Throttled } else { FailureClass::Unavailable };
        let met = [
            (odds.reply_lost, Fault::ReplyLost),
            (odds.request_lost, Fault::RequestLost),
            (odds.lands_late, Fault::LandsLate),
            (odds.refused, Fault::Refused(class)),
            (odds.busy, Fault::Busy),
        ]
        .into_iter()
        .find_map(|(odds, fault)| state.happens(odds).then_some(fault))?;
        state.met.insert(format!("{met:?}"));
        Some(met)
    }

    pub(crate) fn strikes(&self, fault: BrokerFault) -> bool {
        self.state().is_some_and(|mut state| {
            let odds = state.odds.of_broker(fault);
            let strikes = state.happens(odds);
            if strikes {
                state.met.insert(format!("{fault:?}"));
            }
            strikes
        })
    }

    pub(crate) fn overtakes(&self) -> bool {
        let overtakes = self.happens(self.odds().overtaken);
        if overtakes {
            self.meet("overtaken");
        }
        overtakes
    }

    pub(crate) fn lands_after_crash(&self) -> bool {
        self.happens(self.odds().lands_after_crash)
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.0.as_ref().map(|state| state.lock().unwrap())
    }
}

impl State {
    fn happens(&mut self, per_mille: u16) -> bool {
        self.stormy && self.rng.u16(..1_000) < per_mille
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let draws = |seed| {
            let weather = Weather::seeded(seed);
            let faults: Vec<_> =
                (0..200).map(|_| weather.table_fault(Operation::CreateOrder)).collect();
            (weather.odds(), faults, weather.below(1_000_000))
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7).2, draws(8).2);
    }

    #[test]
    fn when_the_storm_is_over_nothing_goes_wrong() {
        for seed in 0..50 {
            let weather = Weather::seeded(seed);
            weather.calm_down();
            assert!((0..1_000).all(|_| weather.table_fault(Operation::CreateOrder).is_none()));
            assert!(!weather.happens(1_000));
        }
    }
}
