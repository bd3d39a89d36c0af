//! The pages over HTTP.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::{from_fn, map_response};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::Stream;
use harness::mailbox::Mailbox;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::json;
use tokio::time::sleep;

use crate::buttons::{Buttons, Press};
use crate::feed::Feed;
use crate::{documentation, guard, mails};

/// The shortest time between two snapshots on one stream.
const PAUSE: Duration = Duration::from_millis(150);

/// The longest time between two snapshots: times on the page go on while nothing happens.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// The longest body of a press.
const PRESS_BYTES_MAX: usize = 1_024;

#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) feed: Feed,
    pub(crate) buttons: Buttons,
    /// The mails that the functions sent.
    pub(crate) mailbox: Mailbox,
    pub(crate) token: Option<String>,
}

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of a page: path, type and content.
const START_FILES: [(&str, &str, &str); 4] = [
    ("/", HTML, include_str!("../static/start.html")),
    ("/pages/base.css", CSS, include_str!("../static/base.css")),
    ("/pages/start.css", CSS, include_str!("../static/start.css")),
    ("/pages/start.js", JAVASCRIPT, include_str!("../static/start.js")),
];

const CONSOLE_FILES: [(&str, &str, &str); 6] = [
    ("/console", HTML, include_str!("../static/console.html")),
    ("/console/console.css", CSS, include_str!("../static/console.css")),
    ("/console/console.js", JAVASCRIPT, include_str!("../static/console.js")),
    ("/console/dom.js", JAVASCRIPT, include_str!("../static/dom.js")),
    ("/console/diagram.js", JAVASCRIPT, include_str!("../static/diagram.js")),
    ("/console/panels.js", JAVASCRIPT, include_str!("../static/panels.js")),
];

/// Has the commands of the first order, which a test runs word for word.
const README: &str = include_str!("../../../README.md");

pub(crate) fn router(served: Served) -> Router {
    let start = with_files(Router::new(), &START_FILES)
        .route("/pages/first-order.sh", get(async || first_order()))
        .layer(map_response(async |response: Response| guard::with_headers(response)));
    let console = with_files(Router::new(), &CONSOLE_FILES)
        .route("/console/token", get(token))
        .route("/console/state", get(state))
        .route("/console/events", get(events))
        .route("/console/press", post(press).layer(DefaultBodyLimit::max(PRESS_BYTES_MAX)))
        .layer(from_fn(guard::local_only));
    let service = served.mailbox.router();
    let pages = Router::new().merge(start).merge(console).merge(mails::router());
    pages.merge(documentation::router()).with_state(served).merge(service)
}

pub(crate) fn with_files(
    router: Router<Served>,
    files: &'static [(&str, &str, &str)],
) -> Router<Served> {
    files.iter().fold(router, |router, (path, kind, content)| {
        router.route(path, get(async move || ([(CONTENT_TYPE, *kind)], *content)))
    })
}

/// The first order's commands in the README.
fn first_order() -> &'static str {
    let section = README.split_once("\n## The first order\n").map(|(_, section)| section);
    let block = section.and_then(|section| section.split_once("```sh\n"));
    let script = block.and_then(|(_, block)| block.split_once("```"));
    script.map(|(script, _)| script).unwrap_or_default()
}

/// The token of the buttons.
async fn token(State(served): State<Served>) -> Response {
    as_json(StatusCode::OK, json!({ "token": served.token }).to_string())
}

/// What the page shows.
async fn state(State(served): State<Served>, uri: Uri) -> Response {
    match served.snapshot(order_in(&uri)) {
        Some(snapshot) => as_json(StatusCode::OK, snapshot),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What the page shows, again whenever it changes.
async fn events(
    State(served): State<Served>,
    uri: Uri,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let order_id = order_in(&uri).map(str::to_owned);
    let changes = served.feed.changes();
    let stream =
        futures::stream::unfold((served, changes, true), move |(served, mut changes, is_first)| {
            let order_id = order_id.clone();
            async move {
                if !is_first {
                    sleep(PAUSE).await;
                    tokio::select! {
                        changed = changes.changed() => changed.ok()?,
                        () = sleep(QUIET_MAX) => {}
                    }
                }
                changes.mark_unchanged();
                let snapshot = served.snapshot(order_id.as_deref())?;
                let event = Event::default().event("snapshot").data(snapshot);
                Some((Ok(event), (served, changes, false)))
            }
        });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// A press of a button.
async fn press(State(served): State<Served>, headers: HeaderMap, body: Bytes) -> Response {
    let says = |status, said: &str| as_json(status, json!({ "said": said }).to_string());
    if let Some(reason) = guard::refused_press(&headers, served.token.as_deref()) {
        return says(StatusCode::FORBIDDEN, reason);
    }
    let press: Press = match serde_json::from_slice(&body) {
        Ok(press) => press,
        Err(error) => return says(StatusCode::BAD_REQUEST, &format!("Not a button: {error}")),
    };
    match served.buttons.press(press).await {
        Ok(pressed) => match serde_json::to_string(&pressed) {
            Ok(text) => as_json(StatusCode::OK, text),
            Err(error) => says(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
        Err(error) => says(StatusCode::CONFLICT, &format!("{error:#}")),
    }
}

impl Served {
    fn snapshot(&self, order_id: Option<&str>) -> Option<String> {
        let faults = self.buttons.faults_now();
        match self.feed.snapshot(order_id, self.buttons.functions(), &faults) {
            Ok(snapshot) => Some(snapshot.0),
            Err(error) => {
                tracing::error!(%error, "the console's state has no form in JSON");
                None
            }
        }
    }
}

/// The order in `?order=…`.
fn order_in(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("order="))
}

pub(crate) fn as_json(status: StatusCode, text: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, kind)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::{CONSOLE_FILES, START_FILES, first_order};
    use crate::{documentation, mails};

    #[test]
    fn the_start_page_has_the_commands_of_the_readme() {
        let script = first_order();
        assert!(script.starts_with("API=http://127.0.0.1:8000\n"), "{script}");
        assert!(script.contains("/v1/orders") && script.ends_with('\n'), "{script}");
    }

    #[test]
    fn no_page_has_anything_that_its_policy_forbids() {
        let others = documentation::PAGE.iter().chain(&mails::FILES);
        for (path, _, content) in START_FILES.iter().chain(&CONSOLE_FILES).chain(others) {
            for forbidden in ["style=", " onclick", "javascript:", "http://cdn", "https://"] {
                assert!(!content.contains(forbidden), "{path} has {forbidden}");
            }
            let scripts = content.split("<script").skip(1);
            assert!(scripts.into_iter().all(|tag| tag.contains(" src=\"/")), "{path}");
        }
    }
}
