//! `/docs`: the API's description, `docs/openapi.yaml`, in a viewer.

use std::path::Path;

use axum::Router;
use axum::extract::State;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::server::{CSS, HTML, JAVASCRIPT, Served, with_files};
use crate::{guard, viewer};

/// As of the other pages; the viewer also has pictures in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const FILES: [(&str, &str, &str); 3] = [
    ("/docs", HTML, include_str!("../static/docs.html")),
    ("/docs/docs.css", CSS, include_str!("../static/docs.css")),
    ("/docs/docs.js", JAVASCRIPT, include_str!("../static/docs.js")),
];

pub(crate) fn router() -> Router<Served> {
    with_files(Router::new(), &FILES)
        .route("/docs/openapi.yaml", get(description))
        .route("/docs/viewer.js", get(script))
        .route("/docs/viewer.css", get(style))
        .layer(map_response(async |mut response: Response| {
            let policy = HeaderValue::from_static(POLICY);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            guard::with_headers(response)
        }))
}

async fn description(State(served): State<Served>) -> Response {
    file(&served.description, "application/yaml").await
}

async fn script(State(served): State<Served>) -> Response {
    of_viewer(&served, "swagger-ui-bundle.js", JAVASCRIPT).await
}

async fn style(State(served): State<Served>) -> Response {
    of_viewer(&served, "swagger-ui.css", CSS).await
}

async fn of_viewer(served: &Served, name: &str, kind: &'static str) -> Response {
    match viewer::ensure(&served.target).await {
        Ok(folder) => file(&folder.join(name), kind).await,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "there is no viewer of the API");
            (StatusCode::BAD_GATEWAY, format!("{error:#}\n")).into_response()
        }
    }
}

async fn file(path: &Path, kind: &'static str) -> Response {
    match tokio::fs::read(path).await {
        Ok(content) => ([(CONTENT_TYPE, kind)], content).into_response(),
        Err(error) => {
            let text = format!("cannot read {}: {error}\n", path.display());
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}
