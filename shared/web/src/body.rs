//! Bodies in JSON.

mod fault;
mod objects;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use lambda_http::Request;
use serde::de::DeserializeOwned;

use crate::{Problem, ProblemKind};
use objects::Objects;

/// The longest body that is read, in bytes, counted after base64 is undone.
pub const BODY_LENGTH_MAX: usize = 64 * 1024;

/// Reads a request's body.
///
/// What is told of a bad body names its place and what belongs there, and never repeats a value: a
/// login's body holds a password. Nesting is limited by `serde_json` (128 levels), and a member
/// that comes twice is refused.
///
/// # Errors
///
/// A 413 if the body is longer than [`BODY_LENGTH_MAX`]; 400 if it is empty or not JSON; 415 if it
/// is not said to be JSON, or is compressed; 422 if it is JSON, but not a `T`.
pub fn read_json<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let body: &[u8] = request.body();
    if body.len() > BODY_LENGTH_MAX {
        let detail = format!("Send at most {BODY_LENGTH_MAX} bytes.");
        return Err(Problem::new(ProblemKind::BodyTooLarge, detail));
    }
    if body.is_empty() {
        return Err(Problem::new(ProblemKind::MalformedJson, "The body is empty. Send JSON."));
    }
    if !is_plain_json(request.headers()) {
        let detail = "Send JSON as `Content-Type: application/json`, without a Content-Encoding.";
        return Err(Problem::new(ProblemKind::UnsupportedMediaType, detail));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(Objects(&mut json));
    let read = read.map_err(|error| fault::told(&error))?;
    json.end().map_err(|error| fault::malformed(&error))?;
    Ok(read)
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = media_type.to_str().ok().and_then(|value| value.split(';').next());
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence
        .strip_prefix("application/")
        .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"));
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    is_json && encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests;
