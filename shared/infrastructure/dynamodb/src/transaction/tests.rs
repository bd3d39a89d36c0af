//! Given a service with a certain answer, when a transaction is tried, then the outcome says
//! exactly what the answer says. The answers are HTTP, so that the SDK's own parsing is tested too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use FailureClass::{Conflict, Permanent, Throttled, Unavailable};
use serde_dynamo::aws_sdk_dynamodb_1::to_item as raw_item;

use super::*;
use crate::connect::connect_to;

#[derive(Serialize)]
struct Record {
    pk: &'static str,
}

/// The service's reaction to a request.
enum Answer {
    /// A status and a body.
    Http(u16, String),
    /// The service closes the connection.
    Close,
    /// The service keeps the connection open and does not answer.
    Silence,
}

/// A service that gives the same answer to every request, and keeps the requests' bodies.
struct Service {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn that_answers(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&bodies);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for connection in listener.incoming().map_while(Result::ok) {
                received.lock().unwrap().push(read_request(&connection));
                match &answer {
                    Answer::Http(status, body) => respond(&connection, *status, body),
                    Answer::Close => drop(connection),
                    Answer::Silence => silent.push(connection),
                }
            }
        });
        Self { url, bodies }
    }

    fn requests(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }

    fn that_fails(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}"}}"#);
        Self::that_answers(Answer::Http(status, body))
    }

    fn that_cancels(reasons: &str) -> Self {
        let code = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        let body = format!(r#"{{"__type":"{code}","CancellationReasons":[{reasons}]}}"#);
        Self::that_answers(Answer::Http(400, body))
    }
}

/// Reads a request to its end and returns its body.
fn read_request(connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn respond(mut connection: &TcpStream, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} Any\r\ncontent-type: application/x-amz-json-1.0\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

async fn tried(url: &str, limit: Duration) -> WriteTry<Vec<ItemReason<Item>>> {
    let transaction = Transaction::default().put_if_absent("users", &Record { pk: "EMAIL#1" });
    let client = connect_to(url);
    write(transaction, &client, Deadline::after(limit), |reasons| reasons.reasons.collect()).await
}

const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_transaction_that_the_service_refuses_is_not_stored() {
    for (status, code, class) in [
        (400, "ThrottlingException", Throttled),
        (400, "ProvisionedThroughputExceededException", Throttled),
        (400, "RequestLimitExceeded", Throttled),
        (400, "TransactionConflictException", Conflict),
        (400, "ValidationException", Permanent),
        (400, "IdempotentParameterMismatchException", Permanent),
        (400, "SomethingNew", Permanent),
        (400, "AccessDeniedException", Unavailable),
        (400, "ResourceNotFoundException", Unavailable),
    ] {
        let service = Service::that_fails(status, code);
        match tried(&service.url, LONG).await {
            WriteTry::NotBegun(failure) => assert_eq!(failure.class, class, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(service.requests(), 1, "{code} was tried again");
    }
}

#[tokio::test]
async fn a_transaction_at_which_the_service_fails_may_be_stored() {
    for (status, code, class) in [
        (500, "InternalServerError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (400, "TransactionInProgressException", Conflict),
    ] {
        let service = Service::that_fails(status, code);
        match tried(&service.url, LONG).await {
            WriteTry::Unknown(failure) => assert_eq!(failure.class, class, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(service.requests(), 1, "{code} was tried again");
    }
}

#[tokio::test]
async fn after_a_lost_answer_the_outcome_is_unknown() {
    let garbled = Answer::Http(200, "not JSON".to_owned());
    for answer in [Answer::Close, garbled] {
        let service = Service::that_answers(answer);
        let outcome = tried(&service.url, LONG).await;
        assert!(
            matches!(&outcome, WriteTry::Unknown(Failure { class: Unavailable, .. })),
            "{outcome:?}"
        );
        assert_eq!(service.requests(), 1, "it was tried again");
    }
}

#[tokio::test]
async fn at_the_deadline_the_outcome_is_unknown() {
    let service = Service::that_answers(Answer::Silence);
    let began = Instant::now();
    let outcome = tried(&service.url, Duration::from_millis(200)).await;
    assert!(matches!(&outcome, WriteTry::Unknown(_)), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_transaction_that_was_never_sent_is_not_stored() {
    // A port that was free a moment ago refuses connections.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{free}"), "http://no-such-host.invalid".to_owned()] {
        let outcome = tried(&url, LONG).await;
        assert!(
            matches!(&outcome, WriteTry::NotBegun(Failure { class: Unavailable, .. })),
            "{url}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let service = Service::that_fails(400, "ValidationException");
    let outcome = tried(&service.url, Duration::ZERO).await;
    assert!(matches!(&outcome, WriteTry::NotBegun(Failure { class: Unavailable, .. })));
    assert_eq!(service.requests(), 0);
}

#[tokio::test]
async fn a_cancellation_has_the_reason_of_each_item() {
    let service = Service::that_cancels(
        r#"{"Code":"ConditionalCheckFailed","Item":{"pk":{"S":"EMAIL#1"}}},
           {"Code":"ConditionalCheckFailed"}, {"Code":"None"}, {"Code":"TransactionConflict"},
           {"Code":"ThrottlingError"}, {"Code":"ProvisionedThroughputExceeded"}"#,
    );
    let WriteTry::Cancelled(reasons) = tried(&service.url, LONG).await else { panic!() };
    let found = raw_item(Record { pk: "EMAIL#1" }).unwrap();
    assert_eq!(
        reasons,
        [
            ItemReason::ConditionFailed(Some(found)),
            ItemReason::ConditionFailed(None),
            ItemReason::None,
            ItemReason::Busy,
            ItemReason::Busy,
            ItemReason::Busy,
        ]
    );
}

#[tokio::test]
async fn an_item_that_can_never_be_stored_is_refused_permanently() {
    let service = Service::that_cancels(r#"{"Code":"None"}, {"Code":"ValidationError"}"#);
    let outcome = tried(&service.url, LONG).await;
    assert!(
        matches!(&outcome, WriteTry::NotBegun(Failure { class: Permanent, .. })),
        "{outcome:?}"
    );
    let service =
        Service::that_cancels(r#"{"Code":"ConditionalCheckFailed"}, {"Code":"ValidationError"}"#);
    let outcome = tried(&service.url, LONG).await;
    assert!(matches!(&outcome, WriteTry::Cancelled(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_cancellation_only_by_throttling_is_throttled() {
    for code in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
        let reasons =
            format!(r#"{{"Code":"None"}}, {{"Code":"TransactionConflict"}}, {{"Code":"{code}"}}"#);
        let outcome = tried(&Service::that_cancels(&reasons).url, LONG).await;
        let is_throttled = matches!(&outcome, WriteTry::NotBegun(Failure { class: Throttled, .. }));
        assert!(is_throttled, "{outcome:?}");
    }
    let conflict = Service::that_cancels(r#"{"Code":"None"}, {"Code":"TransactionConflict"}"#);
    let outcome = tried(&conflict.url, LONG).await;
    assert!(matches!(&outcome, WriteTry::Cancelled(_)), "{outcome:?}");
}

#[tokio::test]
async fn no_transaction_is_sent_with_a_token() {
    let service = Service::that_answers(Answer::Http(200, "{}".to_owned()));
    let client = connect_to(&service.url);
    let record = Transaction::default().put_if_absent("users", &Record { pk: "1" }).unwrap();
    assert!(matches!(record.write(&client, Deadline::after(LONG)).await, WriteTry::Done));
    let bodies = service.bodies.lock().unwrap().clone();
    assert!(!bodies[0].contains("ClientRequestToken"), "{bodies:?}");
}
