use std::sync::{Arc, Mutex};

use aws_sdk_sesv2::config::{Credentials, Region};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use domain::account::{EmailAddress, MailPurpose};
use platform::mail_sender::MailSender;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;

/// A stand-in for the service: the error that it answers with, and the requests that came.
#[derive(Default)]
struct Service {
    error: Option<(u16, &'static str)>,
    requests: Vec<Value>,
}

type Shared = Arc<Mutex<Service>>;

/// `SendEmail`, in REST and JSON
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>).
async fn answer(
    State(service): State<Shared>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    assert_eq!((method, uri.path()), (Method::POST, "/v2/email/outbound-emails"));
    let mut service = service.lock().unwrap();
    service.requests.push(serde_json::from_slice(&body).unwrap());
    let mut headers = HeaderMap::new();
    let Some((status, code)) = service.error else {
        return (StatusCode::OK, headers, json!({"MessageId": "1"}).to_string());
    };
    headers.insert("x-amzn-errortype", code.parse().unwrap());
    let body = json!({"message": "demo@example.com is at fault"}).to_string();
    (StatusCode::from_u16(status).unwrap(), headers, body)
}

/// A client of a stand-in at `endpoint_url`, with the limits of [`connect`].
fn connect_to(endpoint_url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(behavior())
        .region(Region::from_static("eu-central-1"))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::new("local", "local", None, None, "stand-in"))
        .timeout_config(limits(CALL_LIMIT))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn stand_in() -> (Shared, SesMailer) {
    let service = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&service));
    #[expect(clippy::disallowed_methods, reason = "a stand-in that ends with its test")]
    drop(tokio::spawn(async move { axum::serve(listener, router).await }));
    let config = MailConfig {
        sender: MailSender::parse("Shop <shop@example.com>").unwrap(),
        link_base: LinkBase::parse("https://shop.example.com/?a=1&b=2").unwrap(),
    };
    (service, SesMailer::new(connect_to(&url), config))
}

async fn send(mailer: &SesMailer, purpose: MailPurpose) -> WriteTry<AddressRejected> {
    send_to(mailer, "Demo@example.com", purpose).await
}

async fn send_to(
    mailer: &SesMailer,
    address: &str,
    purpose: MailPurpose,
) -> WriteTry<AddressRejected> {
    let to = EmailAddress::parse(address).unwrap();
    let token = SecretString::from("1.secret");
    let mail = OutgoingMail { to: &to, purpose, token: &token };
    mailer.send(&mail, Deadline::after(Duration::from_secs(5))).await
}

#[tokio::test]
async fn a_mail_has_a_sender_an_address_and_a_link_with_the_token_in_its_fragment() {
    let (service, mailer) = stand_in().await;
    let links = [
        (MailPurpose::ConfirmAddress, "#confirm-email=1.secret"),
        (MailPurpose::ChangeAddress, "#confirm-email=1.secret"),
        (MailPurpose::ResetPassword, "#reset-password=1.secret"),
    ];
    for (purpose, fragment) in links {
        assert!(matches!(send(&mailer, purpose).await, WriteTry::Done));
        let request = service.lock().unwrap().requests.pop().unwrap();
        assert_eq!(request["FromEmailAddress"], "Shop <shop@example.com>");
        assert_eq!(request["Destination"]["ToAddresses"], json!(["Demo@example.com"]));
        let message = &request["Content"]["Simple"];
        assert!(!message["Subject"]["Data"].as_str().unwrap().contains("secret"));
        let text = message["Body"]["Text"]["Data"].as_str().unwrap();
        assert!(text.contains(&format!("https://shop.example.com/?a=1&b=2{fragment}\n")), "{text}");
        assert!(text.contains("30 minutes"), "{text}");
        let html = message["Body"]["Html"]["Data"].as_str().unwrap();
        let link = format!("href=\"https://shop.example.com/?a=1&amp;b=2{fragment}\"");
        assert!(html.contains(&link), "{html}");
    }
}

#[tokio::test]
async fn a_host_is_written_in_ascii_and_a_name_that_is_not_ascii_gets_no_mail() {
    let (service, mailer) = stand_in().await;
    for (typed, sent) in [
        ("Jo@bücher.example", "Jo@xn--bcher-kva.example"),
        ("jo@BÜCHER.example", "jo@xn--bcher-kva.example"),
        ("jo@xn--bcher-kva.example", "jo@xn--bcher-kva.example"),
        // Another host than strasse.example, although the two are one address among accounts.
        ("jo@straße.example", "jo@xn--strae-oqa.example"),
        ("jo@例え.example", "jo@xn--r8jz45g.example"),
        ("jo@mail_1.example", "jo@mail_1.example"),
    ] {
        let done = send_to(&mailer, typed, MailPurpose::ConfirmAddress).await;
        assert!(matches!(done, WriteTry::Done), "{typed}: {done:?}");
        let request = service.lock().unwrap().requests.pop().unwrap();
        assert_eq!(request["Destination"]["ToAddresses"], json!([sent]));
    }
    for typed in ["jö@example.com", "jo＠example.com", "jo@xn--\u{e4}.example", "jo@a%b.example"]
    {
        let refused = send_to(&mailer, typed, MailPurpose::ConfirmAddress).await;
        assert!(matches!(refused, WriteTry::Cancelled(AddressRejected)), "{typed}: {refused:?}");
    }
    assert!(service.lock().unwrap().requests.is_empty(), "these are not sent");
}

#[tokio::test]
async fn an_error_says_whether_the_mail_may_be_sent_and_names_no_address() {
    let (service, mailer) = stand_in().await;
    let answer_to = async |status, code| {
        service.lock().unwrap().error = Some((status, code));
        send(&mailer, MailPurpose::ResetPassword).await
    };
    let rejected = answer_to(400, "BadRequestException").await;
    assert!(matches!(rejected, WriteTry::Cancelled(AddressRejected)), "{rejected:?}");
    for (status, code, class) in [
        (400, "MessageRejected", FailureClass::Unavailable),
        (400, "SendingPausedException", FailureClass::Unavailable),
        (429, "TooManyRequestsException", FailureClass::Throttled),
    ] {
        let refused = answer_to(status, code).await;
        let WriteTry::NotBegun(failure) = refused else { panic!("{code}: {refused:?}") };
        assert_eq!(failure.class, class);
        let shown = format!("{failure:?} {}", application::outcome::chain(&failure));
        assert!(shown.contains(code) && !shown.contains("demo@"), "{shown}");
    }
    for (status, code) in [(500, "InternalFailure"), (403, "AccessDeniedException")] {
        let unknown = answer_to(status, code).await;
        assert!(matches!(unknown, WriteTry::Unknown(_)), "{code}: {unknown:?}");
    }
    assert_eq!(service.lock().unwrap().requests.len(), 6, "each is tried once");
}

#[tokio::test]
async fn a_mail_without_an_answer_may_be_sent() {
    let config = MailConfig {
        sender: MailSender::parse("shop@example.com").unwrap(),
        link_base: LinkBase::parse("https://shop.example.com").unwrap(),
    };
    let mailer = SesMailer::new(connect_to("http://127.0.0.1:9"), config);
    let sent = send(&mailer, MailPurpose::ConfirmAddress).await;
    assert!(matches!(sent, WriteTry::Unknown(_)), "{sent:?}");
}
