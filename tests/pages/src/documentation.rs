//! `/docs`: the API's description in a viewer, of the same files as in a deployment.

use api_docs::files::{FILES, POLICY};
use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::guard;
use crate::server::{HTML, Served, with_files};

/// The page leads to the others, and logs in as the demo user.
const PAGE: [(&str, &str, &str); 1] = [("/docs", HTML, include_str!("../static/docs.html"))];

pub(crate) fn router() -> Router<Served> {
    let page = with_files(Router::new(), &PAGE);
    let files = FILES.iter().fold(page, |router, file| {
        // This machine's browser reads gzip.
        let answer =
            ([(CONTENT_TYPE, file.content_type), (CONTENT_ENCODING, "gzip")], file.gzipped);
        router.route(&format!("/docs/{}", file.name), get(async move || answer))
    });
    files.layer(map_response(async |mut response: Response| {
        let policy = HeaderValue::from_static(POLICY);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        guard::with_headers(response)
    }))
}
