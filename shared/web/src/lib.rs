//! What every HTTP function needs, and the only shared crate that knows `lambda_http`.
//!
//! # Layout
//!
//! - [`mod@run`]: takes requests from Lambda, one at a time
//! - [`mod@serve`]: answers one by a handler: its span, its log line, its problems as responses
//! - [`problem`]: what goes wrong, as `application/problem+json` (RFC 9457)
//! - [`mod@pointer`]: where in a body something is wrong
//! - [`body`]: reads JSON bodies, within limits
//! - [`authentication`]: whose request it is
//! - [`idempotency`]: the `Idempotency-Key` header
//! - [`correlation`]: request id, trace and deadline
//! - [`respond`]: answers in JSON
//! - [`route`]: path parameters, and what is said where no route matches
//!
//! # A handler and its main
//!
//! ```no_run
//! use application::ports::{AccessTokenVerifier, Clock};
//! use contracts::order::CreateOrder;
//! use lambda_http::http::StatusCode;
//! use lambda_http::Request;
//! use web::Response;
//!
//! pub struct Handler<V, C> {
//!     pub tokens: V,
//!     pub clock: C,
//! }
//!
//! impl<V: AccessTokenVerifier, C: Clock> Handler<V, C> {
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
//! async fn main_of_it<V, C>(handler: Handler<V, C>) -> Result<(), lambda_http::Error>
//! where
//!     V: AccessTokenVerifier,
//!     C: Clock,
//! {
//!     let handler = &handler;
//!     web::run(|request| handler.handle(request)).await
//! }
//! ```

pub mod authentication;
pub mod body;
pub mod correlation;
pub mod idempotency;
pub mod pointer;
pub mod problem;
pub mod respond;
pub mod route;
pub mod run;
pub mod serve;

pub use authentication::authenticate;
pub use body::read_json;
pub use correlation::RequestContext;
pub use idempotency::idempotency_key;
pub use pointer::Pointer;
pub use problem::{Problem, ProblemKind};
pub use run::run;
pub use serve::serve;

/// What a handler answers with.
pub type Response = lambda_http::Response<lambda_http::Body>;
