//! Faults on demand against the whole system, and the promises that must hold under them.
//!
//! Everything is real: the functions' own binaries on the local Lambda host, Apache RocketMQ, a
//! table over HTTP. Proxies between them inject the faults at the intended moment: hold a call or a
//! frame, wait until it was seen, signal a process, release. Every row of the catalogue asserts
//! that its fault happened before it judges the result.
//!
//! # Layout
//! - [`cluster`]: the cluster that rows share, or have for themselves.
//! - [`rig`]: a system behind proxies, its clients, and the windows of its scheduled functions.
//! - [`client`]: the outcomes of clients' requests, in three values.
//! - [`judge`]: after the faults, what was lost, invented or doubled.
//! - [`figures`]: what a row measures.
//! - [`rows`]: the catalogue.
//! - [`report`]: the report card.
//! - [`controls`]: functions with a part left out, with which rows must fail.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod alarms;
pub mod client;
pub mod cluster;
pub mod controls;
pub mod figures;
pub mod judge;
pub mod report;
pub mod rig;
pub mod rows;
pub mod waiting;
