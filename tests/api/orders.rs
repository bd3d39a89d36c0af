//! `/v1/orders`

mod cancel;
mod create;
mod get;
mod idempotency;
mod list;
mod open_units;
mod refused;
