//! Two bounded models of the transactional protocol. Every reachable state is explored.
//!
//! # What they show
//!
//! An order is one item, which holds everything that must be true together. The model [`creating`]
//! is the creation: attempts that may live at once, their half messages, the one conditional put,
//! the fence and the sweep. The model [`pending`] is what follows: events that are pending in the
//! order until they are handled, with consumers that crash, a user who cancels, a broker that loses
//! and doubles messages, dead letters, and another team's group. They are two models because their
//! states would multiply. They meet in one place: an order whose `OrderCreated` is pending and on
//! its topic, or will be.
//!
//! Everything that can happen is an `action`, faults included. The checker tries all orders of all
//! actions. The `properties` say what must never happen (I1 to I10) and what must be possible (S1
//! to S8); a name means the same in both models. The `verdicts` say which of them hold for the
//! protocol, and which break when one part of it is left out: a part whose absence changes nothing
//! would not be worth its code. The parts are the switches of a `variant`; no product code has such
//! switches.
//!
//! The [`replay`] takes random paths of both models with the real use cases, and compares the two
//! after each step. Without it, a result about a model would say little about the code.
//!
//! Start with the actions of [`creating`], then read its parties, one file each: the steps that are
//! possible, and their effects.
//!
//! # What they abstract from
//!
//! - **Bounds.** Two attempts with three faults, two checks for each half message, two tries of one
//!   put; two consumers with three faults, one copy that the sweep makes too early. Variants that
//!   must break are explored with two faults, or with one. The protocol has no counter that would
//!   behave differently beyond these bounds, but nothing here proves that.
//! - **One order.** Products, prices and groups of reservations are left out; accounts follow the
//!   same rules.
//! - **No time.** A deadline is a choice: whatever a party waits for may arrive or be given up, and
//!   a check-back finds every attempt too old. So no property depends on clocks, and none says how
//!   long anything takes. An event is due as soon as it becomes due. The next try of a failed
//!   delivery, for which the sweep waits, is a redelivery or a loss. Nothing that is stored
//!   expires.
//! - **Trusted.** Conditional writes are linearizable: a put, a fence, an update happen at one
//!   moment or not at all. The broker keeps half messages; in [`pending`] it may lose what it has
//!   committed.
//! - **One step** may be several in the code, if that makes no difference: a delivery and its first
//!   read; a fence, the read after it and the answer; the broker's question and the read, because
//!   the answer's way back is a separate step; the sweep's query and its message.
//! - **No late writes of a consumer.** A write that takes effect after its process has died is like
//!   the write of a slow consumer beside others; `cargo xtask verify --full` has three consumers.
//!   The put has a separate late arrival.
//! - **Left out**, because they change nothing that is stored: throttled tries that are repeated,
//!   claims of the sweep, full tombstones (they lead to UNKNOWN, like a lost check), foreign
//!   messages, and letters that an operator discards.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and prints how much it has seen"
)]

mod creating;
mod exploration;
mod pending;
mod replay;
mod story;
