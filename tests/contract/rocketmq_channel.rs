//! A real RocketMQ: one cluster for all tests of this binary, with a topic and groups for each
//! test. A second cluster requires TLS and signed requests, and gives our user the rights that the
//! operations guide lists.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use application::deadline::Deadline;
use application::event::user_message;
use application::outcome::WriteTry;
use application::ports::{
    Clock, ClusterGauges, EventSubscription, HalfMessage, Resolution, TransactionalPublisher,
};
use domain::aggregate::AggregateKey;
use domain::timestamp::Timestamp;
use harness::broker::{
    BrokerSecurity, BrokerTuning, Mqadmin, Replication, Rocketmq, RocketmqOptions, check_java,
    ensure_jars,
};
use harness::provision::{Endpoints, Names, rocketmq_config};
use harness::remoting::{Frame, read_frame, status};
use harness::system::SystemOptions;
use local_lambda::Children;
use platform::clock::SystemClock;
use platform::name_servers::NameServerAddresses;
use rocketmq::admin::{StoredMessage, create_topics, read_topic};
use rocketmq::client::RocketmqClient;
use rocketmq::config::{Credentials, RocketmqConfig, TlsCa, TopicName};
use rocketmq::dead_letters::RocketmqDeadLetters;
use rocketmq::publisher::RocketmqPublisher;
use rocketmq::subscription::RocketmqSubscription;
use tempfile::TempDir;
use testkit::contract::{Announced, ChannelFixture};
use testkit::identities::SequentialIdentities;
use testkit::samples::{SampleOrder, created, registered, user};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

const TOPICS_LIMIT: Duration = Duration::from_secs(30);

/// The cluster, and everything that must live as long. Its processes die with this one.
struct Cluster {
    namesrv: String,
    authority: Option<PathBuf>,
    data: TempDir,
    jars: PathBuf,
    _processes: (Rocketmq, Children),
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME
        .get_or_init(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());
    runtime.block_on(test);
}

/// The functions' user on the secured cluster, and the administrator, who creates topics and grants
/// rights.
const ACCESS_KEY: &str = "orders";
const SECRET_KEY: &str = "a-secret-of-the-tests";
const ADMINISTRATOR: &str = "administrator";
const ADMINISTRATORS_SECRET: &str = "another-secret-of-the-tests";

async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| start(None)).await
}

async fn secured_cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(async || {
            let cluster = start(Some(security())).await;
            grant(&cluster).await;
            cluster
        })
        .await
}

/// Grants the rights of docs/operations.md, here for the topics and groups of every test. A
/// dead-letter topic's name begins like an order topic's, so the user has more rights on it than
/// the `Pub` that it needs.
async fn grant(cluster: &Cluster) {
    let home = cluster.data.path().join("mqadmin");
    let mqadmin = Mqadmin::new(&cluster.jars, home, &cluster.namesrv, &security()).unwrap();
    mqadmin.create_user(ACCESS_KEY, SECRET_KEY).await.unwrap();
    let topics = "Topic:ORDER_EVENTS-contract-*,Topic:USER_EVENTS-contract-*";
    mqadmin.allow(ACCESS_KEY, "Pub,Sub,Get", topics).await.unwrap();
    mqadmin.allow(ACCESS_KEY, "Sub,Get", "Group:contract-*").await.unwrap();
    mqadmin.allow(ACCESS_KEY, "Get", "Topic:TRANS_CHECK_MAX_TIME_TOPIC").await.unwrap();
}

fn security() -> BrokerSecurity {
    BrokerSecurity {
        access_key: ADMINISTRATOR.to_owned(),
        secret_key: ADMINISTRATORS_SECRET.to_owned(),
    }
}

async fn start(security: Option<BrokerSecurity>) -> Cluster {
    check_java().await.unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let target = SystemOptions::isolated(root.as_ref()).unwrap().target;
    let data = tempfile::Builder::new().prefix("contract-").tempdir().unwrap();
    let jars = ensure_jars(&target).await.unwrap();
    let options = RocketmqOptions {
        jars: jars.clone(),
        data: data.path().join("rocketmq"),
        namesrv_port: 0,
        broker_port: 0,
        tuning: BrokerTuning::LOCAL,
        security,
        replication: Replication::None,
    };
    let children = Children::new().unwrap();
    let rocketmq = Rocketmq::start(options, &children).await.unwrap();
    let (namesrv, authority) = (rocketmq.namesrv(), rocketmq.authority());
    Cluster { namesrv, authority, data, jars, _processes: (rocketmq, children) }
}

/// The topic and the groups are in no other test.
pub(crate) async fn config() -> RocketmqConfig {
    let config = names_on(cluster().await);
    create_topics(config.clone(), TOPICS_LIMIT).await.unwrap();
    config
}

async fn secured_config() -> RocketmqConfig {
    let cluster = secured_cluster().await;
    let mut config = names_on(cluster);
    config.credentials = Some(administrator());
    let authority = cluster.authority.as_ref().unwrap().to_str().unwrap();
    config.tls_ca = Some(TlsCa::parse(authority).unwrap());
    create_topics(config.clone(), TOPICS_LIMIT).await.unwrap();
    config.credentials = Some(credentials(SECRET_KEY));
    config
}

fn administrator() -> Credentials {
    let secret_key = ADMINISTRATORS_SECRET.into();
    Credentials { access_key: ADMINISTRATOR.to_owned(), secret_key }
}

fn credentials(secret_key: &str) -> Credentials {
    Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: secret_key.into() }
}

fn names_on(cluster: &Cluster) -> RocketmqConfig {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let endpoints = Endpoints {
        namesrv: cluster.namesrv.clone(),
        table_url: String::new(),
        data: cluster.data.path().to_owned(),
        access: None,
    };
    let names = Names {
        stack_name: format!("contract-{number}"),
        topic: format!("ORDER_EVENTS-contract-{number}"),
        user_topic: format!("USER_EVENTS-contract-{number}"),
        group_prefix: format!("contract-{number}-"),
        tables: Vec::new(),
    };
    rocketmq_config(&endpoints, &names).unwrap()
}

struct Channel {
    config: RocketmqConfig,
    publisher: RocketmqPublisher,
    subscription: RocketmqSubscription,
    dead_letters: RocketmqDeadLetters,
}

async fn channel() -> Channel {
    connect(config().await).await
}

async fn secured_channel() -> Channel {
    connect(secured_config().await).await
}

async fn connect(config: RocketmqConfig) -> Channel {
    let client = RocketmqClient::start(config.clone()).unwrap();
    let publisher = RocketmqPublisher::connect(client.clone(), SystemClock).await;
    Channel {
        config,
        dead_letters: RocketmqDeadLetters::new(&publisher),
        publisher,
        subscription: RocketmqSubscription::new(client, SystemClock),
    }
}

impl ChannelFixture for Channel {
    type Publisher = RocketmqPublisher;
    type Subscription = RocketmqSubscription;
    type DeadLetters = RocketmqDeadLetters;

    fn publisher(&self) -> &RocketmqPublisher {
        &self.publisher
    }

    fn subscription(&self) -> &RocketmqSubscription {
        &self.subscription
    }

    fn dead_letters(&self) -> &RocketmqDeadLetters {
        &self.dead_letters
    }

    async fn announced(&self) -> Vec<Announced> {
        let topic = self.config.dead_letter_topic();
        // The functions' user may only send to this topic; an operator reads it.
        let mut operators = self.config.clone();
        operators.credentials = operators.credentials.map(|_| administrator());
        let stored = read_topic(operators, &topic).await.unwrap();
        stored.into_iter().map(announced).collect()
    }
}

/// By the names of the properties on the wire.
fn announced(message: StoredMessage) -> Announced {
    let property = |name: &str| message.properties.get(name).cloned();
    let first_failed_at = property("first_failed_at").unwrap().parse().unwrap();
    Announced {
        key: message.keys.join(" "),
        reason: property("reason").unwrap(),
        handler: property("handler"),
        attempts: property("attempts").unwrap().parse().unwrap(),
        first_failed_at: Timestamp::from_millis(first_failed_at),
        body: message.body,
    }
}

mod channel_ports {
    testkit::channel_contract!(crate::rocketmq_channel::channel, crate::rocketmq_channel::run);
}

mod secured_channel_ports {
    testkit::channel_contract!(
        crate::rocketmq_channel::secured_channel,
        crate::rocketmq_channel::run
    );
}

fn event() -> SampleOrder {
    created(&SequentialIdentities::default(), user(1), &[(1, 1)], SystemClock.now())
}

fn half_of(event: &SampleOrder) -> HalfMessage<'_> {
    event.half(SystemClock.now())
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

/// Commits it immediately.
async fn publish(publisher: &RocketmqPublisher) -> SampleOrder {
    let event = event();
    publish_event(publisher, &event).await;
    event
}

async fn publish_event(publisher: &RocketmqPublisher, event: &SampleOrder) {
    let within = soon();
    let receipt = publisher.prepare(&half_of(event), within).await.unwrap();
    publisher.end(&receipt, Resolution::Commit, within).await.unwrap();
}

#[test]
fn a_secured_cluster_accepts_nothing_from_strangers() {
    run(async {
        let ours = secured_config().await;
        let wrong = credentials("another-secret");
        for (stranger, config) in [
            ("without credentials", RocketmqConfig { credentials: None, ..ours.clone() }),
            ("with a wrong secret", RocketmqConfig { credentials: Some(wrong), ..ours.clone() }),
            ("in plain text", RocketmqConfig { tls_ca: None, ..ours.clone() }),
        ] {
            let publisher = RocketmqPublisher::start(config, SystemClock).await.unwrap();
            let prepared = publisher.prepare(&half_of(&event()), soon()).await;
            assert!(prepared.is_err(), "a half message {stranger} was accepted");
            publisher.shutdown().await;
        }
        let publisher = RocketmqPublisher::start(ours, SystemClock).await.unwrap();
        publisher.prepare(&half_of(&event()), soon()).await.unwrap();
        publisher.shutdown().await;
    });
}

#[test]
fn a_user_with_the_rights_of_the_guide_may_do_nothing_else() {
    run(async {
        let ours = secured_config().await;
        assert!(create_topics(ours.clone(), TOPICS_LIMIT).await.is_err());
        let foreign = RocketmqConfig {
            order_topic: TopicName::parse("SOMEBODY_ELSES").unwrap(),
            credentials: Some(administrator()),
            ..ours.clone()
        };
        create_topics(foreign.clone(), TOPICS_LIMIT).await.unwrap();
        let foreign = RocketmqConfig { credentials: ours.credentials, ..foreign };
        let publisher = RocketmqPublisher::start(foreign, SystemClock).await.unwrap();
        let prepared = publisher.prepare(&half_of(&event()), soon()).await;
        assert!(prepared.is_err(), "a half message for another topic was accepted");
        publisher.shutdown().await;
    });
}

#[test]
fn a_message_has_its_type_for_a_tag_and_its_identifiers_for_keys() {
    run(async {
        let config = config().await;
        let publisher = RocketmqPublisher::start(config.clone(), SystemClock).await.unwrap();
        let event = publish(&publisher).await;
        let stored = visible(&config).await;
        assert_eq!(stored.tag.as_deref(), Some("OrderCreated"));
        let keys = [event.message.event_id.to_string(), event.message.subject.clone()];
        assert_eq!(stored.keys, keys);
        publisher.shutdown().await;
    });
}

/// Only one name server that answers is used, so the publisher must change to another when it ends.
#[test]
fn a_name_server_that_ends_is_replaced() {
    run(async {
        let mut config = config().await;
        let namesrv = cluster().await.namesrv.clone();
        let (open, gate) = watch::channel(false);
        let first = Forwarder::start(&namesrv, None).await;
        let second = Forwarder::start(&namesrv, Some(gate)).await;
        let both = format!("{};{}", second.address, first.address);
        config.name_servers = NameServerAddresses::parse(&both).unwrap();
        let publisher = RocketmqPublisher::start(config, SystemClock).await.unwrap();
        publish(&publisher).await;
        // Only a session keeps a connection, and the second server has answered nobody yet.
        drop(first);
        open.send(true).unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        let mut kept_for = 0;
        while kept_for < 3 {
            assert!(Instant::now() < limit, "no session uses the other name server");
            // Until then it uses the known route.
            publish(&publisher).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let has_one = second.connections.load(Ordering::Relaxed) > 0;
            kept_for = if has_one { kept_for + 1 } else { 0 };
        }
        publisher.shutdown().await;
    });
}

/// A name server that knows no broker yet, as after its restart, is the first to answer, and is not
/// used.
#[test]
fn a_name_server_without_routes_is_not_used() {
    run(async {
        let mut config = config().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let empty = listener.local_addr().unwrap();
        let both = format!("{empty};{}", cluster().await.namesrv);
        config.name_servers = NameServerAddresses::parse(&both).unwrap();
        let mut answering = JoinSet::new();
        answering.spawn(answer_without_routes(listener));
        // Each publisher opens a session of its own.
        for _ in 0..5 {
            let publisher = RocketmqPublisher::start(config.clone(), SystemClock).await.unwrap();
            publish(&publisher).await;
            publisher.shutdown().await;
        }
    });
}

/// Answers as `RouteInfoManager.java` does before a broker has registered.
async fn answer_without_routes(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            while let Ok(Some(request)) = read_frame(&mut client).await {
                let request = Frame::decode(&request).unwrap();
                let answer = request.answer(status::TOPIC_NOT_EXIST, "No topic route info");
                let sent = client.write_all(&answer.encode().unwrap()).await;
                if sent.is_err() {
                    break;
                }
            }
        });
    }
}

/// Passes connections on to an address once its gate is open, and ends when it is dropped.
struct Forwarder {
    address: String,
    connections: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Forwarder {
    async fn start(to: &str, gate: Option<watch::Receiver<bool>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicU64::new(0));
        let (to, counted) = (to.to_owned(), Arc::clone(&connections));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut passed_on = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let (to, gate, counted) = (to.clone(), gate.clone(), Arc::clone(&counted));
                passed_on.spawn(async move {
                    if let Some(mut gate) = gate {
                        gate.wait_for(|is_open| *is_open).await.unwrap();
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                    let mut far = TcpStream::connect(&to).await.unwrap();
                    // Ends when both sides have closed, or one fails.
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    counted.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, connections, _tasks: tasks }
    }
}

/// Not all clients of other languages can read a body that this client compresses: RocketMQ's proxy
/// declares zlib as gzip (apache/rocketmq-clients issue 667).
#[test]
fn a_long_body_is_not_compressed() {
    run(async {
        let config = config().await;
        let publisher = RocketmqPublisher::start(config.clone(), SystemClock).await.unwrap();
        let mut event = event();
        event.message.body = "long ".repeat(3_000);
        publish_event(&publisher, &event).await;
        let stored = visible(&config).await;
        assert_eq!((stored.is_compressed, stored.body.len()), (false, 15_000));
        publisher.shutdown().await;
    });
}

/// On the topic of orders; there is only one.
async fn visible(config: &RocketmqConfig) -> StoredMessage {
    let deadline = tokio::time::Instant::now() + TOPICS_LIMIT;
    loop {
        let topic = config.order_topic.as_str();
        let mut stored = read_topic(config.clone(), topic).await.unwrap();
        assert!(stored.len() <= 1, "{stored:?}");
        if let Some(stored) = stored.pop() {
            return stored;
        }
        assert!(tokio::time::Instant::now() < deadline, "the message doesn't become visible");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn the_lag_counts_messages_not_yet_received_and_no_half_message_was_discarded() {
    run(async { gauges_are_read(channel().await).await });
}

#[test]
fn a_user_with_the_rights_of_the_guide_reads_both_gauges() {
    run(async { gauges_are_read(secured_channel().await).await });
}

async fn gauges_are_read(channel: Channel) {
    let within = Deadline::after(Duration::from_secs(30));
    let lag = async || channel.publisher.consumer_lag(within).await.unwrap();
    assert_eq!(lag().await, 0);
    for _ in 0..2 {
        publish(&channel.publisher).await;
    }
    // On the other topic.
    let identities = SequentialIdentities::default();
    let registered = registered(&identities, "somebody@example.com", SystemClock.now());
    let key = AggregateKey::Account { user_id: registered.account.user_id() };
    let message = user_message(key, &registered.event).unwrap();
    let on_user_topic = SampleOrder { message, ..event() };
    publish_event(&channel.publisher, &on_user_topic).await;
    let settled = async |expected: u64| {
        while lag().await != expected {
            assert!(!within.has_passed(), "the lag is {}", lag().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    settled(3).await;
    let mut received = Vec::new();
    while received.len() < 3 {
        received.extend(channel.subscription.receive(32, within).await.unwrap());
    }
    for delivery in &received {
        let acknowledged = channel.subscription.acknowledge(delivery).await;
        assert!(matches!(acknowledged, WriteTry::Done), "{acknowledged:?}");
    }
    settled(0).await;
    assert_eq!(channel.publisher.half_messages_discarded(within).await.unwrap(), 0);
}

#[test]
fn a_receiver_without_time_for_an_answer_hides_no_message_from_others() {
    run(async {
        let channel = channel().await;
        let within = Deadline::after(Duration::from_secs(30));
        // Connected first, so that only the time is missing.
        let none = channel.subscription.receive(32, Deadline::after(Duration::from_secs(5))).await;
        assert!(none.unwrap().is_empty());
        publish(&channel.publisher).await;
        while channel.publisher.consumer_lag(within).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for left in [1, 10, 100, 400] {
            let soon = Deadline::after(Duration::from_millis(left));
            let received = channel.subscription.receive(32, soon).await.unwrap();
            assert!(received.is_empty(), "{left} ms are too little");
            assert!(soon.has_passed(), "a caller that asks again at once must not spin");
        }
        let received = channel.subscription.receive(32, within).await.unwrap();
        assert_eq!(received.len(), 1);
        let acknowledged = channel.subscription.acknowledge(&received[0]).await;
        assert!(matches!(acknowledged, WriteTry::Done), "{acknowledged:?}");
    });
}
