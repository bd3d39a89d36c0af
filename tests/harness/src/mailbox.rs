//! A stand-in for Amazon SES: it accepts the requests of `SendEmail`, keeps the newest mails, and
//! sends none.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use application::ports::Clock;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, StatusCode};
use platform::clock::SystemClock;
use serde::Serialize;
use serde_json::{Value, json};

use crate::system::SystemOptions;

/// The path of `SendEmail`
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>).
const SEND_EMAIL: &str = "/v2/email/outbound-emails";

/// The page to which the links in mails lead, at the API's address.
pub const LINK_PATH: &str = "/mails/link";

const KEPT_MAX: usize = 100;

/// Bytes of a request's body; the service's mails are much shorter.
const BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentMail {
    /// Counted from 1.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
}

impl SentMail {
    /// The fragment of the link in it.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        let link = self.text.lines().find(|line| line.starts_with("http"))?;
        let (_, fragment) = link.split_once('#')?;
        fragment.split_once('=').map(|(_, token)| token)
    }
}

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    newest: VecDeque<SentMail>,
}

/// Clones share the mails.
#[derive(Debug, Clone)]
pub struct Mailbox {
    kept: Arc<Mutex<Kept>>,
    /// The API's address, through which the functions reach the mailbox.
    address: Ipv4Addr,
}

impl Mailbox {
    /// A mailbox for the system that will be started with these options. Its functions get a
    /// sender, and send their mails to this mailbox; the system's pages must serve
    /// [`Self::router`].
    #[must_use]
    pub fn of(options: &mut SystemOptions) -> Self {
        let sender = [("MailSender", "Shop <shop@example.com>"), ("MailIdentity", "example.com")];
        let sender = sender.map(|(name, value)| (name.to_owned(), value.to_owned()));
        options.parameters.extend(sender);
        Self { kept: Arc::default(), address: options.api_address }
    }

    /// The newest first.
    #[must_use]
    pub fn mails(&self) -> Vec<SentMail> {
        self.kept().newest.iter().cloned().collect()
    }

    /// The HTTP service that the functions call. It answers only this machine, as the pages with
    /// the mails do.
    pub fn router(&self) -> Router {
        let address = self.address;
        Router::new()
            .route(SEND_EMAIL, post(send_email).layer(DefaultBodyLimit::max(BYTES_MAX)))
            .layer(from_fn(move |request: Request, next: Next| local_only(address, request, next)))
            .with_state(self.clone())
    }

    fn keep(&self, request: &Value) -> Option<u64> {
        let text = |pointer: &str| Some(request.pointer(pointer)?.as_str()?.to_owned());
        let to = request.pointer("/Destination/ToAddresses")?.as_array()?;
        let mut kept = self.kept();
        let number = kept.count + 1;
        let mail = SentMail {
            number,
            at_ms: u64::try_from(SystemClock.now().as_millis()).unwrap_or_default(),
            from: text("/FromEmailAddress")?,
            to: to.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            subject: text("/Content/Simple/Subject/Data")?,
            text: text("/Content/Simple/Body/Text/Data")?,
        };
        kept.count = number;
        kept.newest.push_front(mail);
        kept.newest.truncate(KEPT_MAX);
        Some(number)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Not a matter of `Host`: with `--address 0.0.0.0` the functions call `http://0.0.0.0:8000`.
async fn local_only(address: Ipv4Addr, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    if peer.is_some_and(|peer| is_this_machine(peer, address)) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

/// Whether a peer is on this machine. A caller of 0.0.0.0 has a loopback address; a caller of
/// another address of its own machine has that address.
fn is_this_machine(peer: IpAddr, address: Ipv4Addr) -> bool {
    let peer = peer.to_canonical();
    peer.is_loopback() || peer == address
}

/// A page of another site could send a simple request here. Browsers then add their origin; the SDK
/// adds none.
async fn send_email(State(mailbox): State<Mailbox>, headers: HeaderMap, body: Bytes) -> Response {
    if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let request: Option<Value> = serde_json::from_slice(&body).ok();
    match request.and_then(|request| mailbox.keep(&request)) {
        Some(number) => {
            let body = json!({"MessageId": number.to_string()});
            ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        None => {
            let headers =
                [("content-type", "application/json"), ("x-amzn-errortype", "BadRequestException")];
            let body = json!({"message": "not a mail as the service sends it"});
            (StatusCode::BAD_REQUEST, headers, body.to_string()).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(to: &str) -> Value {
        json!({
            "FromEmailAddress": "shop@example.com",
            "Destination": {"ToAddresses": [to]},
            "Content": {"Simple": {
                "Subject": {"Data": "Confirm"},
                "Body": {"Text": {"Data": "Please:\n\nhttp://127.0.0.1/#confirm-email=1.secret\n"}},
            }},
        })
    }

    #[test]
    fn only_this_machine_sends_mails() {
        let is_let_in = |peer: &str, address: &str| {
            is_this_machine(peer.parse().unwrap(), address.parse().unwrap())
        };
        for peer in ["127.0.0.1", "127.1.0.7", "::1", "::ffff:127.0.0.1"] {
            assert!(is_let_in(peer, "127.0.0.1") && is_let_in(peer, "0.0.0.0"), "{peer}");
        }
        assert!(is_let_in("192.0.2.1", "192.0.2.1"));
        for address in ["127.0.0.1", "0.0.0.0", "192.0.2.2"] {
            assert!(!is_let_in("192.0.2.1", address), "{address}");
        }
        assert!(!is_let_in("2001:db8::1", "0.0.0.0"));
    }

    #[test]
    fn the_newest_mails_are_kept_the_newest_first() {
        let mailbox = Mailbox { kept: Arc::default(), address: Ipv4Addr::LOCALHOST };
        for number in 0..KEPT_MAX + 2 {
            mailbox.keep(&request(&format!("user{number}@example.com"))).unwrap();
        }
        let mails = mailbox.mails();
        assert_eq!((mails.len(), mails[0].number), (KEPT_MAX, 102));
        assert_eq!(mails[0].to, ["user101@example.com"]);
        assert_eq!(mails[0].token(), Some("1.secret"));
        assert_eq!(mailbox.keep(&json!({})), None);
    }
}
