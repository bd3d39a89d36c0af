//! The HTTP front door: an API Gateway HTTP API with Lambda proxy integrations, payload 2.0.

mod event;
mod reply;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::serve::ListenerExt;
use http::{HeaderValue, StatusCode};
use tokio::net::TcpListener;

use crate::host::LambdaHost;
use crate::tasks::Tasks;
use crate::template::FunctionSpec;
use crate::{entropy, wall_clock};
use event::Call;
use reply::own_answer;
use routes::Routes;

/// In bytes: the quota of HTTP APIs for a request's body.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The longest an HTTP API waits for an integration.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A running API Gateway HTTP API with Lambda proxy integrations, payload 2.0; it closes when this
/// is dropped.
///
/// Answers that AWS documents for API Gateway itself are the same here:
/// - a body of more than 10 MB is 413 (quotas of HTTP APIs);
/// - a function error, or an answer that does not have the expected form, is 500;
/// - an integration that takes longer than 30 s is 503, while the function continues;
/// - no route and no `$default` is 404.
///
/// Requests are not throttled, so the gateway itself never answers 429.
pub struct Gateway {
    pub address: SocketAddr,
    tasks: Tasks,
}

struct Shared {
    routes: Routes,
    host: LambdaHost,
}

impl Gateway {
    /// Serves `pages`, if there are any, and at all other paths the routes of `functions`.
    ///
    /// # Errors
    /// When two functions claim the same route, or the listener has no address.
    pub fn start(
        listener: TcpListener,
        functions: &[FunctionSpec],
        host: &LambdaHost,
        pages: Option<Router>,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { routes: Routes::new(functions)?, host: host.clone() });
        let service = Router::new()
            .fallback(answer)
            .with_state(shared)
            .merge(pages.unwrap_or_default())
            .into_make_service_with_connect_info::<SocketAddr>();
        let tasks = Tasks::default();
        tasks.spawn(async move {
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!(%error, "the gateway ended");
            }
        });
        Ok(Self { address, tasks })
    }

    /// Accepts no more connections. Running requests end with the host, which the caller stops
    /// next.
    pub fn stop(&self) {
        self.tasks.abort();
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let request_id = entropy::request_id();
    let mut response = integrate(&shared, peer, request, request_id.clone()).await;
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", value);
    }
    response
}

/// The answer of the route's function, or API Gateway's own.
async fn integrate(
    shared: &Shared,
    peer: SocketAddr,
    request: Request,
    request_id: String,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(found) = shared.routes.find(&parts.method, parts.uri.path()) else {
        return own_answer(StatusCode::NOT_FOUND, "Not Found");
    };
    let Ok(body) = read(body).await else {
        return own_answer(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let now = wall_clock::since_epoch();
    let call = Call {
        parts: &parts,
        body: &body,
        source_ip: peer.ip(),
        request_id,
        trace_root: entropy::trace_root(now),
        now,
    };
    let event = event::translate(&call, &found).to_string();
    let invocation = shared.host.invoke(found.function, event);
    match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
        Err(_) => own_answer(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Ok(Ok(result)) if result.function_error.is_none() => {
            reply::translate(&result.payload, &call.request_id)
        }
        Ok(_) => own_answer(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

/// The whole body. A body that breaks off is refused like one that is too large: its client has
/// gone, and sees no difference.
async fn read(body: Body) -> Result<axum::body::Bytes, axum::Error> {
    axum::body::to_bytes(body, BODY_BYTES_MAX).await
}
