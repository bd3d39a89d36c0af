//! The weather before the embedded table, as the real SDK meets it, and what it counts beside what
//! Amazon's own emulator counts.

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
