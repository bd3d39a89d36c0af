//! A bounded model of the transactional protocol, of which every reachable state is looked at.
//!
//! # What it shows
//!
//! One client wants one order, under one idempotency key. Its request makes an **attempt**: a half
//! message, a local transaction, an end. The client may ask again at any time, and what then runs
//! beside the first request is the next attempt, under a `transaction_id` of its own. Whatever can
//! happen between processes, broker and tables is an [`action`], and what goes wrong is one, too:
//! calls are lost, late, doubled, or land while their answers are lost; processes crash; the broker
//! checks back, checks in vain, and gives up. The checker tries every order of all of them.
//!
//! The [`properties`] say what must never happen (I1 to I6) and what must be possible (S1 to S4).
//! The [`verdicts`] say which of them hold for the protocol, and which break when one part of it is
//! taken out: a part whose absence changes nothing would not be worth its code. The parts are the
//! switches of a [`variant`]; no product code has such switches.
//!
//! The [`replay`] takes random paths of the model on the real use cases, and compares the two after
//! each step: what holds of the model would else be no more than an opinion about the code.
//!
//! Start with the [`action`]s, then read the [`parties`], one file each: what it can do, and what
//! that changes.
//!
//! # What it abstracts from
//!
//! - **Bounds.** Two attempts with three faults, or three with two; two checks for each half
//!   message; two tries of one local transaction. The protocol has no counter that would behave
//!   otherwise beyond them, but nothing here proves that.
//! - **One order, one event, one consumer group** with one handler besides the observer. Products,
//!   prices and follow-up events are left out.
//! - **No time.** A deadline is a choice: whatever is waited for may come or be given up, and a
//!   check-back finds every absent record too old. So no property rests on clocks, but none says
//!   how long anything takes. What is remembered never expires.
//! - **Trusted.** Conditional writes are linearizable: a transaction, a fence, an inbox record with
//!   its effect happen at once or not at all. The broker keeps what it has stored.
//! - **One step** is what could be several without making a difference: reading an attempt's record
//!   and putting the fence, because the put is conditional; the broker's question and its answer,
//!   because the answer's way back is a step of its own; the sweep's question and what it sends.
//! - **Left out**, because they change nothing that is stored: busy items and throttled tries that
//!   are tried again, claims of the sweep that run out, look-ups that fail, dead letters (they take
//!   more failures than there are faults).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and tells how much it has seen"
)]

mod action;
mod exploration;
mod parties;
mod properties;
mod protocol;
mod replay;
mod state;
mod story;
mod variant;
mod verdicts;
