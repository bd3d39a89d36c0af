//! The API's description in a viewer: `GET /docs` and `GET /docs/{file}`.
//!
//! It is served where the parameter `ApiDocs` is `true`. `cargo xtask up` serves the same files
//! itself, beside its other pages.

pub mod config;
pub mod files;

use lambda_http::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, VARY,
};
use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::{Body, Request};
use platform::clock::SystemClock;
use web::route::path_parameter;
use web::{Problem, Response};

use files::{FILES, File, PAGE, POLICY};

const KEPT_FOR: &str = "max-age=300";

pub struct Handler {
    pub served: bool,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |_, request| self.answer(&request)).await
    }

    fn answer(&self, request: &Request) -> Result<Response, Problem> {
        let file = match path_parameter(request, "file") {
            None => Some(&PAGE),
            Some(name) => FILES.iter().find(|file| file.name == name),
        };
        let file = file.filter(|_| self.served);
        let file = file.ok_or_else(|| Problem::not_found("There is nothing at this path."))?;
        answer(file, request.headers())
    }
}

/// The file, compressed if the client accepts gzip.
///
/// # Errors
///
/// A 500 if the file cannot be decompressed.
pub fn answer(file: &File, requested: &HeaderMap) -> Result<Response, Problem> {
    let mut headers = HeaderMap::new();
    let body = if takes_gzip(requested) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        Body::Binary(file.gzipped.to_vec())
    } else {
        let text = String::from_utf8(file.content().map_err(Problem::internal)?);
        Body::Text(text.map_err(Problem::internal)?)
    };
    for (name, value) in [
        (CONTENT_TYPE, file.content_type),
        (VARY, "accept-encoding"),
        (CACHE_CONTROL, KEPT_FOR),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    Ok(response)
}

/// Whether a client accepts gzip (RFC 9110, section 12.5.3). Browsers name it without a weight.
fn takes_gzip(requested: &HeaderMap) -> bool {
    let values = requested.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim() == "gzip")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::RequestExt;
    use lambda_http::http::{Method, StatusCode};

    use super::*;

    fn request_for(file: Option<&str>) -> Request {
        let parameters = file.map(|name| ("file".to_owned(), vec![name.to_owned()]));
        Request::new(Body::Empty)
            .with_lambda_context(lambda_http::Context::default())
            .with_path_parameters(parameters.into_iter().collect::<HashMap<_, _>>())
    }

    async fn answered(request: Request) -> Response {
        Handler { served: true }.handle(request).await
    }

    #[tokio::test]
    async fn each_file_is_served_with_its_type_and_a_policy() {
        for (asked, file) in FILES.iter().map(|file| (Some(file.name), file)).chain([(None, &PAGE)])
        {
            let response = answered(request_for(asked)).await;
            assert_eq!(response.status(), StatusCode::OK, "{asked:?}");
            assert_eq!(response.headers()[CONTENT_TYPE], file.content_type);
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], POLICY);
            assert_eq!(response.body().as_ref(), file.content().unwrap(), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_reads_gzip_gets_it() {
        let mut request = request_for(Some("viewer.js"));
        let accepted = HeaderValue::from_static("br;q=1.0, gzip, deflate");
        request.headers_mut().insert(ACCEPT_ENCODING, accepted);
        let response = answered(request).await;
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        let viewer = FILES.iter().find(|file| file.name == "viewer.js").unwrap();
        assert!(response.body().len() < viewer.content().unwrap().len() / 2);

        let mut request = request_for(Some("viewer.js"));
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0"));
        assert!(!answered(request).await.headers().contains_key(CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn the_page_names_only_files_that_are_there() {
        let page = String::from_utf8(PAGE.content().unwrap()).unwrap();
        let named = page.split("=\"/docs/").skip(1).map(|rest| rest.split('"').next().unwrap());
        let named: Vec<_> = named.collect();
        assert!(named.len() > 3, "{named:?}");
        for name in named {
            assert!(FILES.iter().any(|file| file.name == name), "{name}");
        }
    }

    #[tokio::test]
    async fn nothing_else_is_served() {
        for name in ["", "docs.html", "../lib.rs", "viewer.js.gz"] {
            assert_eq!(answered(request_for(Some(name))).await.status(), StatusCode::NOT_FOUND);
        }
        let off = Handler { served: false };
        for request in [request_for(None), request_for(Some("docs.js"))] {
            assert_eq!(off.handle(request).await.status(), StatusCode::NOT_FOUND);
        }
    }

    #[tokio::test]
    async fn head_has_the_headers_alone() {
        let mut request = request_for(None);
        *request.method_mut() = Method::HEAD;
        let response = answered(request).await;
        assert_eq!(response.headers()[CONTENT_TYPE], PAGE.content_type);
        assert!(response.body().is_empty());
    }
}
