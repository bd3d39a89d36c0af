//! The HTTP side of every function, and the only shared crate that depends on `lambda_http`.
//!
//! # Layout
//!
//! - [`mod@run`]: receives requests from Lambda, one at a time
//! - [`mod@serve`]: answers a request with a handler: span, log line, problems as responses
//! - [`problem`]: failures as `application/problem+json` (RFC 9457)
//! - [`mod@pointer`]: JSON pointers to a fault in a body
//! - [`body`]: reads JSON bodies, within limits
//! - [`authentication`]: the user of a request
//! - [`idempotency`]: the `Idempotency-Key` header
//! - [`correlation`]: request ID, trace and deadline
//! - [`mod@source`]: the network that a request came from
//! - [`order`]: an order as a body
//! - [`respond`]: successful answers in JSON
//! - [`route`]: path parameters, and the answer when no route matches
//!
//! # A handler and its `main`
//!
//! A function's handler names the types of its adapters. This crate knows no adapter, so the
//! example has parameters in their place.
//!
//! ```no_run
//! use application::ports::{AccessTokenVerifier, Clock};
//! use contracts::order::CreateOrder;
//! use lambda_http::http::StatusCode;
//! use lambda_http::Request;
//! use web::Response;
//!
//! pub struct Handler<Tokens, Time> {
//!     pub tokens: Tokens,
//!     pub clock: Time,
//! }
//!
//! impl<Tokens: AccessTokenVerifier, Time: Clock> Handler<Tokens, Time> {
//!     /// `POST /v1/orders`
//!     pub async fn handle(&self, request: Request) -> Response {
//!         web::serve(&self.clock, request, async |context, request| {
//!             let bearer = web::authenticate(request.headers(), &self.tokens, &self.clock).await?;
//!             let key = web::idempotency_key(request.headers())?;
//!             let command: CreateOrder = web::read_json(&request)?;
//!             // … the use case takes `bearer`, `key`, `command` and `context.deadline` …
//! #           let _ = (bearer, key, context);
//!             web::respond::json(StatusCode::CREATED, &command)
//!         })
//!         .await
//!     }
//! }
//!
//! async fn run_handler<Tokens, Time>(
//!     handler: Handler<Tokens, Time>,
//! ) -> Result<(), lambda_http::Error>
//! where
//!     Tokens: AccessTokenVerifier,
//!     Time: Clock,
//! {
//!     web::run(|request| handler.handle(request)).await
//! }
//! ```

pub mod authentication;
pub mod body;
pub mod correlation;
pub mod idempotency;
pub mod order;
pub mod pointer;
pub mod problem;
pub mod respond;
pub mod route;
pub mod run;
pub mod serve;
pub mod source;

pub use authentication::authenticate;
pub use body::read_json;
pub use correlation::RequestContext;
pub use idempotency::idempotency_key;
pub use order::order_body;
pub use pointer::Pointer;
pub use problem::{Problem, ProblemKind};
pub use run::run;
pub use serve::serve;
pub use source::{Cdn, source};

pub type Response = lambda_http::Response<lambda_http::Body>;
