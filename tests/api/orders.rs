//! `/v1/orders`

mod create;
mod get;
mod idempotency;
mod refused;
