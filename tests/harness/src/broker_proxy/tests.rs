use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use local_lambda::Tasks;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{BrokerProxy, FrameAnswer, Passage, Side, frames};
use crate::faults::{Point, Toxic};
use crate::remoting::{Frame, code, read_frame, status};

const LIMIT: Duration = Duration::from_secs(10);

/// A server that reports each request, and answers with the request's first field as the body.
async fn server() -> (String, mpsc::UnboundedReceiver<Frame>, Tasks) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (reports, requests) = mpsc::unbounded_channel();
    let tasks = Tasks::default();
    tasks.spawn(async move {
        let connections = Tasks::default();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(answer_all(stream, reports.clone()));
        }
    });
    (address, requests, tasks)
}

async fn answer_all(mut stream: TcpStream, reports: mpsc::UnboundedSender<Frame>) {
    while let Ok(Some(bytes)) = read_frame(&mut stream).await {
        let request = Frame::decode(&bytes).unwrap();
        let mut answer = request.answer(status::SUCCESS, "");
        answer.body = Bytes::from(request.fields.values().next().cloned().unwrap_or_default());
        reports.send(request).unwrap();
        if stream.write_all(&answer.encode().unwrap()).await.is_err() {
            return;
        }
    }
}

struct Client(TcpStream);

impl Client {
    async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, request: i32, opaque: i32, text: &str) {
        let fields = BTreeMap::from([("text".to_owned(), text.to_owned())]);
        let frame = Frame::request(request, opaque, fields).encode().unwrap();
        self.0.write_all(&frame).await.unwrap();
    }

    async fn receive(&mut self) -> Frame {
        let bytes = tokio::time::timeout(LIMIT, read_frame(&mut self.0)).await.unwrap().unwrap();
        Frame::decode(&bytes.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_route_leads_through_the_proxy() {
    let (namesrv, _requests, _namesrv) = server().await;
    let (broker, mut requests, _broker) = server().await;
    let proxy =
        BrokerProxy::start(&namesrv, std::slice::from_ref(&broker), Arc::default()).await.unwrap();
    let mut client = Client::connect(&proxy.namesrv()).await;
    let route = format!("{{\"brokerAddrs\":{{0:\"{broker}\"}}}}");
    client.send(code::GET_ROUTEINFO_BY_TOPIC, 1, &route).await;
    let answer = client.receive().await;
    let route = String::from_utf8_lossy(&answer.body).into_owned();
    let address = route.split('"').nth(3).unwrap();
    assert_ne!(address, broker);
    let mut client = Client::connect(address).await;
    client.send(code::HEART_BEAT, 1, "alive").await;
    assert_eq!(requests.recv().await.unwrap().code, code::HEART_BEAT);
}

#[tokio::test]
async fn an_observer_sees_each_frame_that_passes_and_each_name_server_has_a_proxy() {
    let (first, _requests, _first) = server().await;
    let (second, _requests, _second) = server().await;
    let (broker, _requests, _broker) = server().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let observer = Arc::new(move |passage: &Passage| {
        sees.lock().unwrap().push((passage.from, passage.request, passage.frame.is_answer()));
    });
    let brokers = std::slice::from_ref(&broker);
    let proxy = BrokerProxy::start_observed(&[&first, &second], brokers, observer).await.unwrap();
    let name_servers = proxy.namesrv();
    assert_eq!(name_servers.split(';').count(), 2);
    for address in name_servers.split(';') {
        let mut client = Client::connect(address).await;
        client.send(code::GET_ROUTEINFO_BY_TOPIC, 1, &format!("\"{broker}\"")).await;
        assert_ne!(client.receive().await.body, format!("\"{broker}\""));
    }
    let mut client = Client::connect(&proxy.broker_relay().address()).await;
    let _lost = proxy.on(Point::Request, frames(code::HEART_BEAT)).inflict(Toxic::Lose);
    client.send(code::HEART_BEAT, 1, "lost").await;
    client.send(code::END_TRANSACTION, 2, "seen").await;
    client.receive().await;
    let seen = seen.lock().unwrap().clone();
    let request = (Side::Client, code::END_TRANSACTION, false);
    assert_eq!(seen, [request, (Side::Server, code::END_TRANSACTION, true)]);
    assert!(BrokerProxy::start_observed(&[], brokers, Arc::new(|_: &Passage| {})).await.is_err());
}

#[tokio::test]
async fn exactly_one_kind_of_frame_is_struck() {
    let (broker, mut requests, _server) = server().await;
    let proxy =
        BrokerProxy::start(&broker, std::slice::from_ref(&broker), Arc::default()).await.unwrap();
    let mut client = Client::connect(&proxy.broker_relay().address()).await;

    let mut hold = proxy.on(Point::Request, frames(code::END_TRANSACTION)).once().hold();
    client.send(code::END_TRANSACTION, 1, "held").await;
    let held = hold.seen(LIMIT).await.unwrap();
    // The frame behind it overtakes it.
    client.send(code::HEART_BEAT, 2, "other").await;
    assert_eq!(client.receive().await.body.as_ref(), b"other");
    held.release();
    assert_eq!(client.receive().await.body.as_ref(), b"held");

    let twice = proxy.on(Point::Request, frames(310)).once().inflict(Toxic::Repeat(2));
    client.send(310, 3, "twice").await;
    client.receive().await;
    client.receive().await;
    assert_eq!(twice.struck(), 1);

    let rewrite = Toxic::Rewrite(Arc::new(|passage: &mut super::Passage| {
        passage.frame.code = status::FLUSH_DISK_TIMEOUT;
    }));
    let _doubtful = proxy.on(Point::Response, frames(310)).once().inflict(rewrite);
    client.send(310, 4, "doubtful").await;
    assert_eq!(client.receive().await.code, status::FLUSH_DISK_TIMEOUT);

    let refusal = FrameAnswer { code: status::SYSTEM_ERROR, remark: "no".to_owned() };
    let _refused = proxy.on(Point::Request, frames(310)).once().inflict(Toxic::Answer(refusal));
    client.send(310, 5, "refused").await;
    let answer = client.receive().await;
    assert_eq!((answer.code, answer.opaque), (status::SYSTEM_ERROR, 5));

    let seen: Vec<i32> =
        std::iter::from_fn(|| requests.try_recv().ok()).map(|f| f.opaque).collect();
    assert_eq!(seen, [2, 1, 3, 3, 4]);
}

#[tokio::test]
async fn a_held_frame_outlives_its_client() {
    let (broker, mut requests, _server) = server().await;
    let proxy =
        BrokerProxy::start(&broker, std::slice::from_ref(&broker), Arc::default()).await.unwrap();
    let mut hold = proxy.on(Point::Request, frames(code::END_TRANSACTION)).once().hold();
    let mut client = Client::connect(&proxy.broker_relay().address()).await;
    client.send(code::END_TRANSACTION, 1, "late").await;
    let held = hold.seen(LIMIT).await.unwrap();
    drop(client);
    held.release();
    let late = tokio::time::timeout(LIMIT, requests.recv()).await.unwrap().unwrap();
    assert_eq!(late.field("text"), Some("late"));
}

#[tokio::test]
async fn a_server_can_be_away_and_come_back() {
    let (broker, _heard, _server) = server().await;
    let proxy =
        BrokerProxy::start(&broker, std::slice::from_ref(&broker), Arc::default()).await.unwrap();
    let address = proxy.broker_relay().address();
    let mut client = Client::connect(&address).await;
    client.send(310, 1, "x").await;
    client.receive().await;
    proxy.broker_relay().refuse().await.unwrap();
    assert!(matches!(read_frame(&mut client.0).await, Ok(None) | Err(_)));
    assert!(TcpStream::connect(&address).await.is_err());
    proxy.heal().await.unwrap();
    let mut client = Client::connect(&address).await;
    client.send(310, 1, "y").await;
    assert_eq!(client.receive().await.body.as_ref(), b"y");
}

#[tokio::test]
async fn a_member_is_known_by_its_heartbeat_and_gets_injected_frames() {
    let (broker, _heard, _server) = server().await;
    let proxy =
        BrokerProxy::start(&broker, std::slice::from_ref(&broker), Arc::default()).await.unwrap();
    let relay = proxy.broker_relay();
    let mut client = Client::connect(&relay.address()).await;
    let mut beat = Frame::request(code::HEART_BEAT, 1, BTreeMap::new());
    beat.body = Bytes::from_static(br#"{"producerDataSet":[{"groupName":"p-check"}]}"#);
    client.0.write_all(&beat.encode().unwrap()).await.unwrap();
    client.receive().await;
    assert_eq!(relay.members("p-check").len(), 1);
    assert!(relay.members("p-chec").is_empty());
    let check = Frame::request(code::CHECK_TRANSACTION_STATE, 9, BTreeMap::new());
    relay.inject(relay.members("p-check")[0], &check).await.unwrap();
    assert_eq!(client.receive().await.code, code::CHECK_TRANSACTION_STATE);
    assert!(relay.inject(99, &check).await.is_err());
}

#[tokio::test]
async fn each_delivery_of_an_event_is_counted() {
    let (namesrv, _requests, _namesrv) = server().await;
    let (broker, _heard, _broker) = server().await;
    let proxy =
        BrokerProxy::start(&namesrv, std::slice::from_ref(&broker), Arc::default()).await.unwrap();
    let relay = proxy.broker_relay();
    let mut client = Client::connect(&relay.address()).await;
    let message = |event_id: &str| format!("\0\0\0\u{11}event_id\u{1}{event_id}\u{2}");
    // The server's answers repeat the text of the requests.
    let requests = [
        (code::POP_MESSAGE, [message("one"), message("two")].concat()),
        (code::POP_MESSAGE, message("one")),
        (code::HEART_BEAT, message("six")),
    ];
    for (number, (request, text)) in (1..).zip(requests) {
        client.send(request, number, &text).await;
        client.receive().await;
    }
    let lost = proxy.on(Point::Response, frames(code::POP_MESSAGE)).inflict(Toxic::Lose);
    client.send(code::POP_MESSAGE, 8, &message("two")).await;
    client.send(code::HEART_BEAT, 9, "").await;
    client.receive().await;
    assert_eq!(lost.struck(), 1);
    let expected = [("one".to_owned(), 2), ("two".to_owned(), 1)];
    assert_eq!(relay.deliveries(), BTreeMap::from(expected));
}
