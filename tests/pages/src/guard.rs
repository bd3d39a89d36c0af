//! Who may use the console. Its buttons kill processes, so it answers only this machine's own
//! browser on its own page.
//!
//! - The peer's address is a loopback address.
//! - `Host` is a name of this machine. A page of a foreign name that resolves to 127.0.0.1 (DNS
//!   rebinding) sends its own name there.
//! - A button needs a token in a header. Another origin can neither read the token nor send the
//!   header without being asked first, and nothing here grants that.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The header with the token.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-console-token");

/// Scripts, styles and connections of this origin only, nothing inline, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A token that no other run has, or `None` if the system has no random bytes: then every button
/// is refused.
pub(crate) fn new_token() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Lets only this machine's browser in.
pub(crate) async fn local_only(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    match refusal(peer, request.headers()) {
        None => with_headers(next.run(request).await),
        Some(reason) => {
            with_headers((StatusCode::FORBIDDEN, format!("{reason}\n")).into_response())
        }
    }
}

/// Adds the headers that every page has. A page may have a policy of its own.
pub(crate) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    let resource = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(resource, HeaderValue::from_static("same-origin"));
    response
}

/// Why a request may not see the console.
fn refusal(peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<&'static str> {
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return Some("The console answers only on the machine that it runs on.");
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_this_machine(host) {
        return Some("Open the console as http://127.0.0.1 or http://localhost, with its port.");
    }
    None
}

/// Why a request may not press a button. `token` is this run's.
pub(crate) fn refused_press(headers: &HeaderMap, token: Option<&str>) -> Option<&'static str> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(&HOST).unwrap_or_default();
    if text(&ORIGIN).is_some_and(|origin| origin != format!("http://{host}"))
        || text(&SITE).is_some_and(|site| site != "same-origin")
    {
        return Some("Another site's page may not press a button here.");
    }
    if token.is_none() || text(&TOKEN) != token {
        return Some("The token is missing or old. Reload the page.");
    }
    None
}

/// Whether a `Host` header names this machine, with any port.
fn is_this_machine(host: &str) -> bool {
    let is_port = |port: &str| port.chars().all(|digit| digit.is_ascii_digit());
    let is_suffix = |rest: &str| rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    ["localhost", "127.0.0.1", "[::1]"]
        .into_iter()
        .any(|name| host.strip_prefix(name).is_some_and(is_suffix))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use http::HeaderMap;

    use super::{refusal, refused_press};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_this_machine_under_its_own_name_sees_the_console() {
        let is_let_in = |peer: &str, host: &str| {
            let peer: SocketAddr = peer.parse().unwrap();
            refusal(Some(peer), &headers(&[("host", host)])).is_none()
        };
        for host in ["127.0.0.1:8000", "localhost:8000", "localhost", "[::1]:8000"] {
            assert!(is_let_in("127.0.0.1:5000", host), "{host}");
        }
        assert!(is_let_in("[::ffff:127.0.0.1]:5000", "localhost"));
        // DNS rebinding: a foreign name that resolves to this machine.
        for host in ["evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!is_let_in("127.0.0.1:5000", host), "{host}");
        }
        assert!(!is_let_in("192.0.2.1:5000", "127.0.0.1:8000"));
        assert!(refusal(None, &headers(&[("host", "localhost")])).is_some());
    }

    #[test]
    fn a_button_needs_the_token_and_the_pages_own_origin() {
        let is_pressed = |more: &[(&'static str, &str)]| {
            let own = [("host", "localhost:8000")];
            refused_press(&headers(&[&own, more].concat()), Some("secret")).is_none()
        };
        let token = ("x-console-token", "secret");
        assert!(is_pressed(&[token]));
        assert!(is_pressed(&[token, ("origin", "http://localhost:8000")]));
        assert!(is_pressed(&[token, ("sec-fetch-site", "same-origin")]));
        assert!(!is_pressed(&[]));
        assert!(!is_pressed(&[("x-console-token", "another")]));
        assert!(!is_pressed(&[token, ("origin", "http://evil.example")]));
        assert!(!is_pressed(&[token, ("origin", "http://localhost:9000")]));
        assert!(!is_pressed(&[token, ("origin", "null")]));
        assert!(!is_pressed(&[token, ("sec-fetch-site", "cross-site")]));
        assert!(refused_press(&headers(&[token]), None).is_some());
    }
}
