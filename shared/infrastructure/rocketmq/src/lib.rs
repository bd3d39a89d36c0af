//! Apache `RocketMQ` behind the application's ports. No other crate mentions its client.
//!
//! The client is young (`rocketmq-client-rust` 1.0.0), so this crate uses few of its parts: a plain
//! producer for sends, raw requests for everything whose answer matters. Facts about it and about
//! the Java broker that shaped the code are stated where they matter.
//!
//! # Layout
//!
//! - [`config`]: the settings from the environment
//! - [`client`]: the client's runtime and its shutdown
//! - [`publisher`]: stores half messages and commits them or rolls them back, as
//!   [`application::ports::TransactionalPublisher`]
//! - `published`: whether an event is on its topic, as [`application::ports::PublishedEvents`]
//! - `gauges`: lag and discarded half messages, as [`application::ports::ClusterGauges`]
//! - [`subscription`]: deliveries and acknowledgements, as
//!   [`application::ports::EventSubscription`]
//! - [`dead_letters`]: the dead-letter topic, as [`application::ports::DeadLetterChannel`]
//! - [`checked_group`]: membership of the group that answers check-backs
//! - [`admin`]: creates and reads topics, for the developer's commands and the tests

#![warn(missing_docs)]
// The client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod admin;
pub mod checked_group;
pub mod client;
pub mod config;
pub mod dead_letters;
pub mod publisher;
pub mod subscription;

mod body;
mod call;
mod fault;
mod frames;
mod gauges;
mod lanes;
mod message_index;
mod name_servers;
mod outbound;
mod polls;
mod pop;
mod published;
mod route;
mod session;
mod transport;
