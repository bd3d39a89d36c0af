//! A stand-in for Amazon SES: it accepts the requests of `SendEmail`, keeps the newest mails, and
//! sends none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use application::ports::Clock;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
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
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Mutex<Kept>>);

impl Mailbox {
    /// A mailbox for the system that will be started with these options. Its functions get a
    /// sender, and send their mails to this mailbox; the system's pages must serve
    /// [`Self::router`].
    #[must_use]
    pub fn of(options: &mut SystemOptions) -> Self {
        let sender = [("MailSender", "Shop <shop@example.com>"), ("MailIdentity", "example.com")];
        let sender = sender.map(|(name, value)| (name.to_owned(), value.to_owned()));
        options.parameters.extend(sender);
        Self::default()
    }

    /// The newest first.
    #[must_use]
    pub fn mails(&self) -> Vec<SentMail> {
        self.kept().newest.iter().cloned().collect()
    }

    /// The HTTP service that the functions call.
    pub fn router(&self) -> Router {
        Router::new()
            .route(SEND_EMAIL, post(send_email).layer(DefaultBodyLimit::max(BYTES_MAX)))
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    fn the_newest_mails_are_kept_the_newest_first() {
        let mailbox = Mailbox::default();
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
