//! Explores every state of a variant.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

pub(crate) struct Exploration<Protocol> {
    protocol: Protocol,
    violated: BTreeSet<&'static str>,
    reached: BTreeSet<&'static str>,
}

/// Explores every reachable state, and prints their number.
pub(crate) fn explore<Protocol>(name: &str, protocol: Protocol) -> Exploration<Protocol>
where
    Protocol: Model + Copy + Send + Sync + 'static,
    Protocol::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    Protocol::Action: Clone + Debug + PartialEq,
{
    let started = Instant::now();
    // Some property always holds, so the exploration never stops early.
    let checker = protocol.checker().finish_when(HasDiscoveries::All).spawn_bfs().join();
    let discovered = checker.discoveries();
    let (violated, reached) = discovered
        .into_keys()
        .partition(|name| protocol.property(name).expectation == Expectation::Always);
    println!(
        "{name}: {} states, {} transitions, {} steps deep, {:.1} s; fails: {violated:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f64(),
    );
    Exploration { protocol, violated, reached }
}

impl<Protocol> Exploration<Protocol>
where
    Protocol: Model + Copy + Send + Sync + 'static,
    Protocol::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    Protocol::Action: Clone + Debug + PartialEq,
{
    /// Asserts that exactly these properties fail, and exactly these states are reached.
    pub(crate) fn finds(self, fails: &[&'static str], reaches: &[&'static str]) {
        let fails: BTreeSet<_> = fails.iter().copied().collect();
        if let Some(surprise) = self.violated.difference(&fails).next() {
            panic!("{surprise}: fails after {:?}", short_way_to(self.protocol, surprise));
        }
        assert_eq!(self.violated, fails);
        assert_eq!(self.reached, reaches.iter().copied().collect());
    }
}

/// A short path to a violation: one thread explores, and stops soon after the first violation.
/// Otherwise the checker replaces a discovery by later and deeper ones.
fn short_way_to<Protocol>(protocol: Protocol, property: &'static str) -> Vec<Protocol::Action>
where
    Protocol: Model + Send + Sync + 'static,
    Protocol::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    Protocol::Action: Clone + Debug + PartialEq,
{
    let first = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = protocol.checker().threads(1).finish_when(first).spawn_bfs().join();
    checker.discovery(property).map(stateright::Path::into_actions).unwrap_or_default()
}
