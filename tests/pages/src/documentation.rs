//! `/docs`: the API's description in a viewer, of the same files as in a deployment.

use api_docs::files::{FILES, File, POLICY};
use axum::Router;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::guard;
use crate::server::{HTML, Served, with_files};

/// The page leads to the others, and logs in as the demo user.
pub(crate) const PAGE: [(&str, &str, &str); 1] =
    [("/docs", HTML, include_str!("../static/docs.html"))];

pub(crate) fn router() -> Router<Served> {
    let page = with_files(Router::new(), &PAGE);
    let files = FILES.iter().fold(page, |router, file| {
        let path = format!("/docs/{}", file.name);
        router.route(&path, get(async move |asked: HeaderMap| answer(file, &asked)))
    });
    files.layer(map_response(async |mut response: Response| {
        let policy = HeaderValue::from_static(POLICY);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        guard::with_headers(response)
    }))
}

fn answer(file: &File, asked: &HeaderMap) -> Response {
    match api_docs::answer(file, asked) {
        Ok(response) => response.map(|body| body.to_vec().into()),
        Err(problem) => {
            tracing::error!(
                name = file.name,
                ?problem,
                "a file of the API's documentation is broken"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
