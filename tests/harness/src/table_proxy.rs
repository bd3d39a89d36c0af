//! A proxy before the table that can stop a write where a fault is to strike.
//!
//! It understands just enough of DynamoDB's HTTP to tell calls apart by their `X-Amz-Target`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::tasks::Tasks;

/// The longest body that passes: DynamoDB's own limit for a transaction is 4 MB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a call is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldPoint {
    /// Before the table has seen it.
    Request,
    /// After the table has done it, before its caller is told.
    Response,
}

/// A proxy that passes everything on, except the calls that were asked to be held.
pub struct TableProxy {
    address: SocketAddr,
    state: Arc<Proxy>,
    _server: Tasks,
}

struct Proxy {
    upstream: String,
    client: reqwest::Client,
    holds: Mutex<Vec<Order>>,
}

/// The next call to `operation` is to be stopped.
struct Order {
    operation: String,
    point: HoldPoint,
    seen: oneshot::Sender<HeldCall>,
}

/// A call that will be stopped.
pub struct Hold(oneshot::Receiver<HeldCall>);

/// A call that was stopped. Dropped, its caller never hears of it, and a request that was stopped
/// before the table is lost.
#[derive(Debug)]
pub struct HeldCall {
    /// The call's body.
    pub body: serde_json::Value,
    release: oneshot::Sender<()>,
}

impl TableProxy {
    /// Stands before the table at `upstream`, on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(upstream: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Proxy {
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
            holds: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&state));
        let server = Tasks::default();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the table's proxy ended");
            }
        });
        Ok(Self { address, state, _server: server })
    }

    /// The endpoint, such as `http://127.0.0.1:8001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the next call to an operation such as `TransactWriteItems`.
    #[must_use]
    pub fn hold_next(&self, operation: &str, point: HoldPoint) -> Hold {
        let (seen, held) = oneshot::channel();
        self.state.holds().push(Order { operation: operation.to_owned(), point, seen });
        Hold(held)
    }
}

impl Hold {
    /// Waits until the call is stopped.
    ///
    /// # Errors
    /// When the proxy has ended.
    pub async fn seen(self) -> anyhow::Result<HeldCall> {
        self.0.await.context("the proxy ended before the call came")
    }
}

impl HeldCall {
    /// Lets the call go on, whether or not its caller still waits.
    pub fn release(self) {
        // A receiver that is gone belongs to a proxy that has ended.
        let _gone = self.release.send(());
    }
}

impl Proxy {
    fn holds(&self) -> std::sync::MutexGuard<'_, Vec<Order>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order_for(&self, operation: &str) -> Option<Order> {
        let mut holds = self.holds();
        let position = holds.iter().position(|order| order.operation == operation)?;
        Some(holds.remove(position))
    }

    async fn forward(
        &self,
        parts: &http::request::Parts,
        body: Bytes,
    ) -> Result<Response, reqwest::Error> {
        let mut request = self.client.post(&self.upstream).body(body);
        for (name, value) in &parts.headers {
            if name != http::header::HOST && name != http::header::CONTENT_LENGTH {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        for (name, value) in answer.headers() {
            if name != http::header::CONTENT_LENGTH && name != http::header::TRANSFER_ENCODING {
                response.headers_mut().append(name, value.clone());
            }
        }
        *response.body_mut() = Body::from(answer.bytes().await?);
        Ok(response)
    }
}

#[expect(clippy::disallowed_methods, reason = "a held call must outlive its caller")]
async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    // In a task of its own, because a caller that dies takes its connection's future along, and a
    // held call must outlive it.
    let passing = tokio::task::spawn(pass_or_hold(proxy, request));
    passing.await.unwrap_or_else(|_| bad_gateway())
}

async fn pass_or_hold(proxy: Arc<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else { return bad_gateway() };
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default();
    let order = proxy.order_for(operation);
    if let Some(Order { point: HoldPoint::Request, seen, .. }) = order {
        if !stopped(seen, &body).await {
            return bad_gateway();
        }
        return proxy.forward(&parts, body).await.unwrap_or_else(|_| bad_gateway());
    }
    let answer = proxy.forward(&parts, body.clone()).await.unwrap_or_else(|_| bad_gateway());
    if let Some(Order { seen, .. }) = order {
        stopped(seen, &body).await;
    }
    answer
}

/// Stops a call; whether it goes on.
async fn stopped(seen: oneshot::Sender<HeldCall>, body: &Bytes) -> bool {
    let (release, released) = oneshot::channel();
    let body = serde_json::from_slice(body).unwrap_or_default();
    match seen.send(HeldCall { body, release }) {
        Ok(()) => released.await.is_ok(),
        // Nobody waits for it any more.
        Err(_) => true,
    }
}

fn bad_gateway() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
