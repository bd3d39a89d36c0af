//! The handler and its adapters. The controls of the chaos tests replace one of them.

use dynamodb::{Client, DynamoAggregates, DynamoOrders};
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;

use crate::Handler;
use crate::config::Config;

/// As it is deployed.
pub type WiredHandler = Handler<DynamoOrders, DynamoAggregates, SystemClock, UuidIdentitySource>;

pub fn handler(config: Config, tables: Client) -> WiredHandler {
    Handler {
        rocketmq: config.rocketmq,
        orders: DynamoOrders::new(tables.clone(), config.orders.clone()),
        aggregates: DynamoAggregates::new(tables, config.orders, config.users),
        clock: SystemClock,
        identities: UuidIdentitySource,
    }
}
