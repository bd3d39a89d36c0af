//! Plans of actions.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

pub const PRODUCTS: usize = 4;

pub const USERS: usize = 3;

/// The variable with the seed of the run that is to be repeated.
const SEED: &str = "SHOP_SEED";

/// An action in the shop. Products and users are numbered from 0.
#[derive(Debug, Clone)]
pub enum Action {
    /// The key may be one that was used before.
    Create {
        user: usize,
        /// Products and quantities.
        lines: Vec<(usize, u64)>,
        key: Option<u8>,
    },
    /// The order is one of the orders so far, perhaps another user's.
    Cancel {
        user: usize,
        order: prop::sample::Index,
        at_once: usize,
    },
    AddStock {
        product: usize,
        units: u32,
    },
    /// Sets a product's price and keeps its stock, as an import does.
    SetPrice {
        product: usize,
        /// The new price, in minor units.
        price: u64,
    },
    /// A window of event-consumer, during which some of the orders so far are cancelled.
    Consume {
        cancelled: Vec<(usize, prop::sample::Index)>,
    },
    /// A look of the sweep.
    Sweep,
    /// Everything is handled, and the period in which units are open ends.
    EndPeriod,
}

fn action() -> impl Strategy<Value = Action> {
    let (user, product) = (0..USERS, 0..PRODUCTS);
    let lines = prop::collection::btree_map(product.clone(), 1_u64..4, 1..4)
        .prop_map(|lines| lines.into_iter().collect());
    let cancelled = prop::collection::vec((user.clone(), any::<prop::sample::Index>()), 0..4);
    prop_oneof![
        6 => (user.clone(), lines, prop::option::of(0_u8..4))
            .prop_map(|(user, lines, key)| Action::Create { user, lines, key }),
        3 => (user, any::<prop::sample::Index>(), 1_usize..4)
            .prop_map(|(user, order, at_once)| Action::Cancel { user, order, at_once }),
        1 => (product.clone(), 1_u32..5)
            .prop_map(|(product, units)| Action::AddStock { product, units }),
        1 => (product, 1_u64..9_999)
            .prop_map(|(product, price)| Action::SetPrice { product, price }),
        3 => cancelled.prop_map(|cancelled| Action::Consume { cancelled }),
        1 => Just(Action::Sweep),
        1 => Just(Action::EndPeriod),
    ]
}

pub fn actions(most: usize) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 1..=most)
}

/// Plays `count` plans of at most `most` actions, the same for the same seed. A plan that panics is
/// shortened, in at most 16 more plays, before it is reported.
pub fn try_plans(seed: u64, count: u32, most: usize, play: impl Fn(&[Action])) {
    let config = Config { cases: count, max_shrink_iters: 16, ..config() };
    let tried = TestRunner::new_with_rng(config, random(seed)).run(&actions(most), |actions| {
        play(&actions);
        Ok::<_, TestCaseError>(())
    });
    tried.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

/// `count` plans of exactly `length` actions, the same for the same seed.
pub fn plans(seed: u64, count: usize, length: usize) -> Vec<Vec<Action>> {
    let mut runner = TestRunner::new_with_rng(config(), random(seed));
    let plan = prop::collection::vec(action(), length);
    (0..count).map(|_| plan.new_tree(&mut runner).unwrap().current()).collect()
}

/// Another seed in each run. It is printed, and `SHOP_SEED` repeats it.
///
/// # Panics
///
/// If `SHOP_SEED` is no number.
#[expect(clippy::disallowed_methods, reason = "it is for one run of a test, and no setting")]
#[expect(clippy::print_stdout, reason = "a seed that is not known repeats nothing")]
pub fn random_seed() -> u64 {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().expect("SHOP_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("{SEED}={seed}");
    seed
}

/// A configuration without a file of earlier failures, because a seed repeats them.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}
