//! A sender whose process was frozen learns which brokers take messages before it sends.
//!
//! The name server and the brokers are stand-ins, and the publisher's clock is moved: the client's
//! own timer, which also reads routes, sees none of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::deadline::Deadline;
use application::ports::{Clock, HalfMessage, TransactionalPublisher};
use bytes::Bytes;
use futures::future::join_all;
use harness::provision::{Endpoints, Names, rocketmq_config};
use harness::remoting::{Frame, code, read_frame, status};
use rocketmq::publisher::RocketmqPublisher;
use testkit::clock::ManualClock;
use testkit::identities::SequentialIdentities;
use testkit::samples::{SampleOrder, created, user};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// By this time the client's timer has read the routes for the first time. It reads them again
/// after 10 s.
const STARTED_AFTER: Duration = Duration::from_millis(300);

/// A permission of `PermName.java`.
const READ: u8 = 4;
const READ_AND_WRITE: u8 = 6;

#[derive(Default)]
struct Cluster {
    /// By name, the address and the permission of each broker.
    brokers: Mutex<BTreeMap<&'static str, (String, u8)>>,
    /// How many messages each broker took.
    taken: Mutex<BTreeMap<&'static str, u64>>,
    route_requests: AtomicU64,
    is_silent: AtomicBool,
}

impl Cluster {
    fn taken_by(&self, broker: &str) -> u64 {
        self.taken.lock().unwrap().get(broker).copied().unwrap_or_default()
    }

    fn close(&self, broker: &'static str) {
        self.brokers.lock().unwrap().get_mut(broker).unwrap().1 = READ;
    }

    /// As `TopicRouteData.java` writes it.
    fn route(&self) -> Bytes {
        let brokers = self.brokers.lock().unwrap();
        let datas = brokers.iter().map(|(name, (address, _))| {
            let addresses = format!(r#""brokerAddrs":{{"0":"{address}"}}"#);
            format!(
                r#"{{{addresses},"brokerName":"{name}","cluster":"c","enableActingMaster":false}}"#
            )
        });
        let queues = brokers.iter().map(|(name, (_, permission))| {
            let counts = r#""readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4"#;
            format!(r#"{{"brokerName":"{name}","perm":{permission},{counts}}}"#)
        });
        let (datas, queues): (Vec<_>, Vec<_>) = (datas.collect(), queues.collect());
        let (datas, queues) = (datas.join(","), queues.join(","));
        format!(r#"{{"brokerDatas":[{datas}],"filterServerTable":{{}},"queueDatas":[{queues}]}}"#)
            .into()
    }

    /// `None` if the request gets no answer.
    fn answer(&self, server: &'static str, request: &Frame) -> Option<Frame> {
        let mut answer = request.answer(status::SUCCESS, "");
        match request.code {
            code::GET_ROUTEINFO_BY_TOPIC => {
                self.route_requests.fetch_add(1, Ordering::Relaxed);
                answer.body = self.route();
                (!self.is_silent.load(Ordering::Relaxed)).then_some(answer)
            }
            code::SEND_MESSAGE | code::SEND_MESSAGE_V2 => {
                *self.taken.lock().unwrap().entry(server).or_default() += 1;
                let fields = [
                    ("msgId", "7F00000100002A9F0000000000000001"),
                    ("queueId", "0"),
                    ("queueOffset", "0"),
                ];
                answer.fields =
                    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
                Some(answer)
            }
            _ => (!request.is_one_way()).then_some(answer),
        }
    }
}

/// Returns its address. It ends with `tasks`.
async fn serve(server: &'static str, cluster: &Arc<Cluster>, tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cluster = Arc::clone(cluster);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let cluster = Arc::clone(&cluster);
            connections.spawn(async move {
                while let Ok(Some(request)) = read_frame(&mut client).await {
                    let request = Frame::decode(&request).unwrap();
                    let Some(answer) = cluster.answer(server, &request) else { continue };
                    if client.write_all(&answer.encode().unwrap()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

struct Sender {
    cluster: Arc<Cluster>,
    clock: ManualClock,
    publisher: RocketmqPublisher,
    _tasks: JoinSet<()>,
}

impl Sender {
    /// With two brokers, `a` and `b`, which both have got messages.
    async fn start() -> Self {
        let (cluster, mut tasks) = (Arc::<Cluster>::default(), JoinSet::new());
        for broker in ["a", "b"] {
            let address = serve(broker, &cluster, &mut tasks).await;
            cluster.brokers.lock().unwrap().insert(broker, (address, READ_AND_WRITE));
        }
        let endpoints = Endpoints {
            namesrv: serve("name server", &cluster, &mut tasks).await,
            table_url: String::new(),
            data: std::path::PathBuf::new(),
            access: None,
        };
        let names = Names {
            stack_name: "old-routes".to_owned(),
            topic: "ORDER_EVENTS".to_owned(),
            user_topic: "USER_EVENTS".to_owned(),
            group_prefix: "old-routes-".to_owned(),
            tables: Vec::new(),
        };
        let config = rocketmq_config(&endpoints, &names).unwrap();
        let clock = ManualClock::default();
        let publisher = RocketmqPublisher::start(config, clock.clone()).await.unwrap();
        let sender = Self { cluster, clock, publisher, _tasks: tasks };
        tokio::time::sleep(STARTED_AFTER).await;
        sender.send(16).await;
        assert!(sender.cluster.taken_by("a") > 0 && sender.cluster.taken_by("b") > 0);
        sender
    }

    /// Sends half messages, all at once, each of which must be stored.
    async fn send(&self, count: usize) {
        let events: Vec<_> = (0..count).map(|_| self.event()).collect();
        let sent = join_all(events.iter().map(async |event| {
            let half: HalfMessage<'_> = event.half(self.clock.now());
            self.publisher.prepare(&half, Deadline::after(Duration::from_secs(2))).await
        }))
        .await;
        for result in sent {
            result.unwrap();
        }
    }

    fn event(&self) -> SampleOrder {
        created(&SequentialIdentities::default(), user(1), &[(1, 1)], self.clock.now())
    }
}

/// How many of 16 messages a broker gets that was closed while their sender was frozen.
async fn late_after_a_thaw() -> u64 {
    let sender = Sender::start().await;
    sender.cluster.close("b");
    let before = sender.cluster.taken_by("b");
    // Shorter than the 30 s after which there would be a new connection.
    sender.clock.advance(Duration::from_secs(20));
    sender.send(16).await;
    let late = sender.cluster.taken_by("b") - before;
    sender.publisher.shutdown().await;
    late
}

/// On a busy machine the routes may come too late for a sender, which then sends by the old ones:
/// that is tried again. Without the wait, some of the messages come to the closed broker each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thawed_sender_sends_nothing_to_a_broker_that_was_closed_meanwhile() {
    let mut late = Vec::new();
    for _ in 0..5 {
        late.push(late_after_a_thaw().await);
        if late.contains(&0) {
            return;
        }
    }
    panic!("messages that came to the closed broker: {late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_sent_at_once_read_the_routes_once() {
    let sender = Sender::start().await;
    let before = sender.cluster.route_requests.load(Ordering::Relaxed);
    sender.clock.advance(Duration::from_secs(20));
    sender.send(16).await;
    sender.send(16).await;
    let requests = sender.cluster.route_requests.load(Ordering::Relaxed) - before;
    // The session's and the producer's; on a busy machine also the first one of the client's timer.
    assert!((2..=3).contains(&requests), "{requests} for 32 messages");
    sender.publisher.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_name_server_delays_messages_once_and_loses_none() {
    let sender = Sender::start().await;
    sender.cluster.is_silent.store(true, Ordering::Relaxed);
    sender.clock.advance(Duration::from_secs(20));
    let begun = Instant::now();
    sender.send(16).await;
    // The client gives an answer up after 2 s.
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    // Until then nobody waits again: this would take 100 ms for each message.
    let begun = Instant::now();
    for _ in 0..20 {
        sender.send(1).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    sender.publisher.shutdown().await;
}
