//! Plans of actions.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// How many products a shop has.
pub const PRODUCTS: usize = 4;

/// How many users a shop has.
pub const USERS: usize = 3;

/// What happens in the shop. Products and users are numbered from 0.
#[derive(Debug, Clone)]
pub enum Action {
    /// A user creates an order, perhaps with an idempotency key that is used again.
    Create {
        /// The user.
        user: usize,
        /// Products and quantities.
        lines: Vec<(usize, u64)>,
        /// The key's number.
        key: Option<u8>,
    },
    /// A user cancels one of the orders so far, perhaps another user's.
    Cancel {
        /// The user.
        user: usize,
        /// The order.
        order: prop::sample::Index,
        /// How many requests are sent at once.
        at_once: usize,
    },
    /// Units of a product are delivered.
    AddStock {
        /// The product.
        product: usize,
        /// How many.
        units: u32,
    },
    /// A product's price changes, as by an import that keeps its stock.
    SetPrice {
        /// The product.
        product: usize,
        /// In minor units.
        price: u64,
    },
    /// A window of event-consumer, in which some of the orders so far are cancelled.
    Consume {
        /// The users that cancel, and the orders.
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

/// Plans of at most so many actions.
pub fn actions(most: usize) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 1..=most)
}

/// Plays `count` plans of at most `most` actions, always the same for one seed. A plan whose play
/// panics is made shorter, with 16 more plays at most, before it is reported.
pub fn try_plans(seed: u64, count: u32, most: usize, play: impl Fn(&[Action])) {
    let config = Config { cases: count, max_shrink_iters: 16, ..config() };
    let tried = TestRunner::new_with_rng(config, random(seed)).run(&actions(most), |actions| {
        play(&actions);
        Ok::<_, TestCaseError>(())
    });
    tried.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

/// `count` plans of exactly `length` actions, always the same for one seed.
pub fn plans(seed: u64, count: usize, length: usize) -> Vec<Vec<Action>> {
    let mut runner = TestRunner::new_with_rng(config(), random(seed));
    let plan = prop::collection::vec(action(), length);
    (0..count).map(|_| plan.new_tree(&mut runner).unwrap().current()).collect()
}

/// Without a file of earlier failures: the seed is fixed.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}
