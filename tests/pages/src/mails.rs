//! The mails that were sent, and the page to which their links lead: on AWS both are elsewhere.
//!
//! The mails hold tokens, so they are shown to this machine's own browser only, as the console is.

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;

use crate::guard;
use crate::server::{CSS, HTML, JAVASCRIPT, Served, as_json, with_files};

pub(crate) const FILES: [(&str, &str, &str); 5] = [
    ("/mails", HTML, include_str!("../static/mails.html")),
    ("/mails/mails.css", CSS, include_str!("../static/mails.css")),
    ("/mails/mails.js", JAVASCRIPT, include_str!("../static/mails.js")),
    (harness::mailbox::LINK_PATH, HTML, include_str!("../static/link.html")),
    ("/mails/link.js", JAVASCRIPT, include_str!("../static/link.js")),
];

pub(crate) fn router() -> Router<Served> {
    with_files(Router::new(), &FILES)
        .route("/mails/list", get(list))
        .layer(from_fn(guard::local_only))
}

/// The mails that were sent, the newest first.
async fn list(State(served): State<Served>) -> Response {
    match serde_json::to_string(&served.mailbox.mails()) {
        Ok(mails) => as_json(StatusCode::OK, mails),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
