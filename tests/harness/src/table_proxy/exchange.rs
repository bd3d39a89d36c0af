//! The calls of one caller's connection.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::upstream::{Cut, Upstream};
use super::{TableAnswer, TableCall};
use crate::faults::{Point, Rules, Toxic};
use crate::roles::Role;

/// The longest body that is accepted. DynamoDB's limit for a transaction is 4 MB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Called with each call and the table's own answer.
type Watcher = Box<dyn Fn(&TableCall) + Send + Sync>;

pub(super) struct Exchange {
    upstream: Arc<dyn Upstream>,
    pub(super) rules: Rules<TableCall>,
    watchers: RwLock<Vec<Watcher>>,
    calls: AtomicU64,
    /// The role of the caller. Without one, everything is permitted.
    pub(super) role: OnceLock<Role>,
}

struct Reply {
    answer: TableAnswer,
    slices: Option<(usize, Duration)>,
}

impl Exchange {
    pub(super) fn new(upstream: Arc<dyn Upstream>) -> Self {
        let (rules, watchers) = (Rules::default(), RwLock::default());
        Self { upstream, rules, watchers, calls: AtomicU64::new(0), role: OnceLock::new() }
    }

    pub(super) fn watch(&self, look: impl Fn(&TableCall) + Send + Sync + 'static) {
        let mut watchers = self.watchers.write().unwrap_or_else(PoisonError::into_inner);
        watchers.push(Box::new(look));
    }

    fn show(&self, call: &TableCall) {
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().for_each(|look| look(call));
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Sends a call to the table and returns the answer, both with the effects of the rules.
    async fn carry(&self, parts: http::request::Parts, body: Bytes) -> Result<Reply, Cut> {
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default();
        let mut call = TableCall {
            at: Instant::now(),
            operation: operation.to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            answer: None,
        };
        if let Some(refusal) = self.role.get().and_then(|role| role.refusal(&call)) {
            return Ok(Reply { answer: refusal, slices: None });
        }
        let mut sent = body;
        let mut times = 1;
        match self.rules.strike(Point::Request, &call).await {
            None | Some(Toxic::Slice { .. }) => {}
            Some(Toxic::Lose) => return Err(Cut::Closed),
            Some(Toxic::Reset) => return Err(Cut::Reset),
            Some(Toxic::Answer(answer)) => return Ok(Reply { answer, slices: None }),
            Some(Toxic::Delay(time)) => tokio::time::sleep(time).await,
            Some(Toxic::Repeat(n)) => times = n.max(1),
            Some(Toxic::Rewrite(change)) => {
                change(&mut call);
                sent = call.body.to_string().into();
            }
        }
        let mut answer = Err(Cut::Closed);
        for _ in 0..times {
            answer = self.upstream.send(&parts.headers, sent.clone()).await;
        }
        call.answer = Some(answer?);
        self.show(&call);
        self.bring_back(call).await
    }

    async fn bring_back(&self, mut call: TableCall) -> Result<Reply, Cut> {
        let mut slices = None;
        match self.rules.strike(Point::Response, &call).await {
            // HTTP has only one answer to a request.
            None | Some(Toxic::Repeat(_)) => {}
            Some(Toxic::Lose) => return Err(Cut::Closed),
            Some(Toxic::Reset) => return Err(Cut::Reset),
            Some(Toxic::Answer(answer)) => call.answer = Some(answer),
            Some(Toxic::Delay(time)) => tokio::time::sleep(time).await,
            Some(Toxic::Rewrite(change)) => change(&mut call),
            Some(Toxic::Slice { bytes, pause }) => slices = Some((bytes, pause)),
        }
        let answer = call.answer.ok_or(Cut::Closed)?;
        Ok(Reply { answer, slices })
    }
}

/// Serves one connection until its caller closes it or a rule cuts it.
pub(super) async fn serve(caller: TcpStream, exchange: Arc<Exchange>) {
    // Loopback streams support the option; without it, answers would only arrive later.
    drop(caller.set_nodelay(true));
    let reset = Arc::new(AtomicBool::new(false));
    let resets = Arc::clone(&reset);
    let service = service_fn(move |request| {
        let (exchange, resets) = (Arc::clone(&exchange), Arc::clone(&resets));
        async move {
            let reply = pass(exchange, request).await;
            resets.store(matches!(reply, Err(Cut::Reset)), Ordering::Relaxed);
            reply.map(respond)
        }
    });
    let mut connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(caller), service);
    let ended = (&mut connection).await;
    if reset.load(Ordering::Relaxed) {
        // With a linger time of zero, closing the socket resets the connection.
        drop(connection.into_parts().io.into_inner().set_zero_linger());
    }
    if let Err(error) = ended {
        tracing::debug!(%error, "a caller's connection was cut");
    }
}

#[expect(clippy::disallowed_methods, reason = "a held call must outlive its caller")]
async fn pass(exchange: Arc<Exchange>, request: Request<Incoming>) -> Result<Reply, Cut> {
    exchange.calls.fetch_add(1, Ordering::Relaxed);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), BODY_BYTES_MAX);
    let body = body.await.map_err(|_| Cut::Closed)?;
    // In its own task, because the future of the connection is dropped when the caller dies.
    let carried = tokio::task::spawn(async move { exchange.carry(parts, body).await });
    carried.await.unwrap_or(Err(Cut::Closed))
}

fn respond(reply: Reply) -> Response<Body> {
    let Reply { answer, slices } = reply;
    let length = answer.body.len();
    let body = match slices {
        None => Body::from(answer.body),
        Some((size, pause)) => Body::from_stream(sliced(answer.body, size.max(1), pause)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    response
}

fn sliced(
    body: Bytes,
    size: usize,
    pause: Duration,
) -> impl futures::Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let slice = rest.split_to(size.min(rest.len()));
        tokio::time::sleep(pause).await;
        Some((Ok(slice), rest))
    })
}
