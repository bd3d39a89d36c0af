//! Successful answers.

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use lambda_http::Body;
use serde::Serialize;

use crate::{Problem, Response};

/// # Errors
///
/// A 500 if the body cannot be written as JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_string(body).map_err(Problem::internal)?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 204: success, without a body.
pub fn no_content() -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// 202: the request is processed later.
pub fn accepted() -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// # Errors
///
/// A 500 if a header cannot hold the value.
pub fn with_header(
    mut response: Response,
    name: HeaderName,
    value: &str,
) -> Result<Response, Problem> {
    let value = HeaderValue::from_str(value).map_err(Problem::internal)?;
    response.headers_mut().insert(name, value);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use http::header::LOCATION;

    use super::*;

    #[test]
    fn an_answer_is_json_with_its_status_and_headers() {
        let answer = json(StatusCode::CREATED, &[1, 2]).unwrap();
        let answer = with_header(answer, LOCATION, "/v1/orders/1").unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(answer.headers()[LOCATION], "/v1/orders/1");
        assert_eq!(answer.body().as_ref(), b"[1,2]");
    }

    #[test]
    fn a_header_cannot_be_split() {
        assert!(with_header(no_content(), LOCATION, "/a\r\nSet-Cookie: b").is_err());
    }
}
