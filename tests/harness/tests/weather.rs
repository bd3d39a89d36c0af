//! The weather before the embedded table, with the real SDK as its client. Its counts are compared
//! with those of Amazon's own emulator.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; helpers outside of test functions are tests too"
)]

mod weather {
    mod capacity;
    mod conflicts;
    mod rig;
    mod throttles;
}
