//! The Lambda Runtime API, version 2018-06-01, for one instance.
//!
//! Each instance has its own listener, which identifies the process.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::tasks::Tasks;

/// Lambda's limit for a synchronous answer, 6 MiB, with room for the JSON around it.
const ANSWER_BYTES_MAX: usize = 7 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) deadline_ms: u128,
    pub(super) function_arn: String,
    pub(super) trace_header: String,
    pub(super) payload: Bytes,
}

#[derive(Debug)]
pub(super) enum Signal {
    Next,
    InitError(Bytes),
    Answer { request_id: String, payload: Bytes },
    Error { request_id: String, payload: Bytes },
}

/// The API as one process sees it.
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    /// Has room for one event.
    pub(super) events: mpsc::Sender<Event>,
    pub(super) signals: mpsc::UnboundedReceiver<Signal>,
    /// Serves the API while this value lives.
    _server: Tasks,
}

struct Door {
    events: Mutex<mpsc::Receiver<Event>>,
    signals: mpsc::UnboundedSender<Signal>,
}

impl RuntimeApi {
    /// Opens the API on a free port of the loopback interface.
    pub(super) async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, events_out) = mpsc::channel(1);
        let (signals_in, signals) = mpsc::unbounded_channel();
        let door = Arc::new(Door { events: Mutex::new(events_out), signals: signals_in });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(ANSWER_BYTES_MAX))
            .with_state(door);
        let server = Tasks::default();
        server.spawn(async move {
            // Without this, an event could wait for the acknowledgement of its own headers.
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "a runtime API ended");
            }
        });
        Ok(Self { address, events, signals, _server: server })
    }
}

async fn next(State(door): State<Arc<Door>>) -> Response {
    if door.signals.send(Signal::Next).is_err() {
        return StatusCode::GONE.into_response();
    }
    // A client that gives up and asks again does not wait for itself: its first request is dropped.
    let Some(event) = door.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let mut headers = HeaderMap::new();
    let values = [
        ("lambda-runtime-aws-request-id", event.request_id),
        ("lambda-runtime-deadline-ms", event.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", event.function_arn),
        ("lambda-runtime-trace-id", event.trace_header),
        ("content-type", "application/json".to_owned()),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    (headers, event.payload).into_response()
}

async fn response(
    State(door): State<Arc<Door>>,
    Path(request_id): Path<String>,
    payload: Bytes,
) -> Response {
    door.accept(Signal::Answer { request_id, payload })
}

async fn error(
    State(door): State<Arc<Door>>,
    Path(request_id): Path<String>,
    payload: Bytes,
) -> Response {
    door.accept(Signal::Error { request_id, payload })
}

async fn init_error(State(door): State<Arc<Door>>, payload: Bytes) -> Response {
    door.accept(Signal::InitError(payload))
}

impl Door {
    fn accept(&self, signal: Signal) -> Response {
        match self.signals.send(signal) {
            Ok(()) => (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response(),
            Err(_) => StatusCode::GONE.into_response(),
        }
    }
}
