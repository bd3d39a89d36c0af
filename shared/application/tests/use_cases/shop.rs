//! Random plans of what happens in a shop, on the adapters in memory.
//!
//! `tests/contract` plays some on two emulators of `DynamoDB`, and `tests/api` on a running system.

use proptest::prelude::*;
use testkit::contract::MemoryFixture;
use testkit::shop::{PartsShop, Windows, actions, play};

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_in_the_shop_its_books_are_right(plan in actions(39)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let shop = PartsShop::open(MemoryFixture::default(), Windows::PAUSED).await;
            play(&shop, &plan).await;
        });
    }
}
