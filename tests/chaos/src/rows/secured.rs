//! G6: the cluster requires TLS and signed requests. Functions have exactly the rights that the
//! operations guide gives them, until one of these is revoked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use harness::broker::{Mqadmin, strange_authority};
use harness::broker_proxy::{Passage, TlsCounts};
use harness::checkout;
use harness::faults::{Point, Toxic};
use harness::remoting::{Frame, ask, code, fields, status};
use harness::system::SystemOptions;
use tokio::time::Instant;

use super::Bench;
use super::crash::crash;
use super::window::Window;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{EventCopy, World, judge_as_it_is, judge_clean, rest};
use crate::rig::{CREATE_ORDER, Crew, EVENT_CONSUMER, FUNCTIONS, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;

/// The guide's two users: one for create-order, and one for the functions on a schedule.
const CREATING: (&str, &str) = ("orders-creating", "a-secret-of-create-order");
const SCHEDULED: (&str, &str) = ("orders-scheduled", "a-secret-of-the-scheduled");
const CHANGED: &str = "a-new-secret-of-create-order";

/// How often create-order dies in a long run.
const DEATHS: u64 = 3;

const HEALTH: &str = "health";

/// Health's text about an event that waits.
const LATE: &str = "pending for more than two minutes";

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_secured_cluster(Cluster::TUNING).await?;
    refuses_plain_text(&cluster).await?;
    let (mut figures, refused) =
        tokio::try_join!(with_rights(&bench, &cluster), strangers(&bench, &cluster))?;
    figures.add_measure("control: connections and orders of strangers refused", refused);
    Ok(figures)
}

/// A system whose two users have the rights of the guide.
async fn with_rights(bench: &Bench<'_>, cluster: &Cluster) -> anyhow::Result<Figures> {
    let (mqadmin, deployment) = (cluster.mqadmin()?, Deployment::new(cluster)?);
    deployment.give_rights(&mqadmin).await?;
    let rig = Rig::start_with(cluster, bench.seed, Crew::default(), |options| {
        deployment.configure(options);
    })
    .await?;
    rest(&rig).await?;
    reads_the_route(&rig).await?;
    let orders = bench.either(3, 20);
    rig.create_all("order", orders).await;

    let acknowledged = retried(&rig, killed(bench, &rig)).await?;
    anyhow::ensure!(acknowledged == Acknowledged::Accepted, "a retry's acknowledgement is refused");
    let mut measures = Vec::new();
    let said = without_right(bench, &rig, &mqadmin, &deployment).await?;
    measures.extend(said.map(|said| ("until health said that events wait", said)));
    if bench.either(false, true) {
        let recovered = with_old_secret(&rig, &mqadmin).await?;
        measures.push(("with a secret that was changed, events came within", recovered));
        with_the_exact_name(&rig, &mqadmin, &deployment).await?;
    }
    let mut figures = judge_clean(&rig).await?;
    let counts = tls_counts(&rig)?;
    anyhow::ensure!(counts.plain == 0 && counts.refused == 0, "connections began with {counts:?}");
    for secret in [CREATING.1, SCHEDULED.1, CHANGED] {
        anyhow::ensure!(rig.lines_with(secret)? == 0, "a secret of the cluster is in the log");
    }
    figures.faults = bench.either(3, 7);
    let deaths = Measure::Count(bench.either(1, DEATHS));
    figures.add_measure("half messages of dead processes committed by check-backs", deaths);
    figures.add_measure("connections by TLS", Measure::Count(counts.secured));
    for (name, took) in measures {
        figures.add_measure(name, Measure::Longest(took));
    }
    rig.stop().await;
    Ok(figures)
}

/// Asserts that health knows by TLS, and without credentials, that a broker takes messages.
async fn reads_the_route(rig: &Rig<'_>) -> anyhow::Result<()> {
    let (_, health) = rig.get("/health/ready").await?;
    let knows = !health.to_string().contains("no RocketMQ");
    anyhow::ensure!(knows, "beside a secured cluster health says {health}");
    let counts = rig.proxies_of(HEALTH)?.broker.tls_counts().context("proxies without TLS")?;
    let by_tls = counts.secured > 0 && counts.plain == 0 && counts.refused == 0;
    anyhow::ensure!(by_tls, "health's connections began with {counts:?}");
    Ok(())
}

/// create-order dies before the end of its half message, and a check-back commits it.
async fn killed(bench: &Bench<'_>, rig: &Rig<'_>) -> anyhow::Result<()> {
    for round in 0..bench.either(1, DEATHS) {
        let key = format!("killed-{round}");
        crash(rig, &key, Window::EndUnseen).await?.stopped.lose();
        rest(rig).await?;
        let order_id = rig.settle(&key).await?;
        // The sweep publishes recorded events.
        let is_of_half = |copy: &EventCopy| {
            copy.subject == order_id && copy.event_type == "OrderCreated" && !copy.is_recorded
        };
        let is_committed = World::copies(rig).await?.iter().any(is_of_half);
        anyhow::ensure!(is_committed, "no check-back has committed the half message of {order_id}");
    }
    Ok(())
}

/// What happened to the acknowledgement of a message that was delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acknowledged {
    Accepted,
    Refused,
}

/// Loses the acknowledgements of an order's events, so that they come again from the group's retry
/// topic, whose name begins with the group's. This takes a while, during which `meanwhile` runs.
/// Returns what happened to the first acknowledgement of a retry.
async fn retried(
    rig: &Rig<'_>,
    meanwhile: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Acknowledged> {
    let rules = rig.proxies_of(EVENT_CONSUMER)?.broker.broker_relay().rules();
    let watched = Arc::new(Mutex::new(Watched::default()));
    let (asked, answered) = (Arc::clone(&watched), Arc::clone(&watched));
    // Both rules only count.
    let _asked = rules
        .on(Point::Request, move |passage| locked(&asked).ask(passage))
        .inflict(Toxic::Repeat(1));
    let _answered = rules
        .on(Point::Response, move |passage| locked(&answered).answer(passage))
        .inflict(Toxic::Repeat(1));
    let first = |passage: &Passage| passage.request == code::ACK_MESSAGE && !of_retry(passage);
    let lost = rules.on(Point::Request, first).inflict(Toxic::Lose);
    rig.create(&format!("retried-{}", rig.log.entries().len())).await;
    let answered =
        eventually("a retry's acknowledgement is answered", async || Ok(locked(&watched).answer));
    let (answer, ()) = tokio::try_join!(answered, meanwhile)?;
    drop(lost);
    match answer {
        status::SUCCESS => Ok(Acknowledged::Accepted),
        status::NO_PERMISSION => Ok(Acknowledged::Refused),
        other => anyhow::bail!("an acknowledgement was answered with code {other}"),
    }
}

/// Acknowledgements of retries that passed.
#[derive(Default)]
struct Watched {
    /// By connection and number.
    asked: BTreeSet<(u64, i32)>,
    answer: Option<i32>,
}

impl Watched {
    /// Records a request. Never matches.
    fn ask(&mut self, passage: &Passage) -> bool {
        if passage.request == code::ACK_MESSAGE && of_retry(passage) {
            self.asked.insert((passage.connection, passage.frame.opaque));
        }
        false
    }

    /// Records the first answer to such a request. Never matches.
    fn answer(&mut self, passage: &Passage) -> bool {
        let is_wanted = self.asked.contains(&(passage.connection, passage.frame.opaque));
        if is_wanted && self.answer.is_none() {
            self.answer = Some(passage.frame.code);
        }
        false
    }
}

fn locked(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a request names a retry topic (`MixAll.java`).
fn of_retry(passage: &Passage) -> bool {
    passage.frame.field("topic").is_some_and(|topic| topic.starts_with("%RETRY%"))
}

/// The control: a right to the group's exact name does not cover messages that are delivered again.
async fn with_the_exact_name(
    rig: &Rig<'_>,
    mqadmin: &Mqadmin,
    deployment: &Deployment,
) -> anyhow::Result<()> {
    let (exact, all) = (deployment.group(), format!("{}*", deployment.group()));
    mqadmin.forbid(SCHEDULED.0, &all).await?;
    mqadmin.allow(SCHEDULED.0, "Sub,Get", &exact).await?;
    let acknowledged = retried(rig, async { Ok(()) }).await?;
    let is_refused = acknowledged == Acknowledged::Refused;
    anyhow::ensure!(is_refused, "a retry's acknowledgement needs no right of its own");
    mqadmin.forbid(SCHEDULED.0, &exact).await?;
    mqadmin.allow(SCHEDULED.0, "Sub,Get", &all).await?;
    rest(rig).await
}

/// Names that are known before the system starts, because its users' rights name them.
struct Deployment {
    stack_name: String,
    topics: BTreeMap<String, String>,
    authority: String,
}

impl Deployment {
    fn new(cluster: &Cluster) -> anyhow::Result<Self> {
        let SystemOptions { stack_name, parameters: topics, .. } =
            SystemOptions::isolated(&checkout::root()?)?;
        let access = cluster.access().context("this cluster has no TLS")?;
        let authority = std::fs::read_to_string(&access.authority)?;
        Ok(Self { stack_name, topics, authority })
    }

    fn topic(&self, parameter: &str) -> &str {
        self.topics.get(parameter).map(String::as_str).unwrap_or_default()
    }

    /// The consumer group's name as a resource.
    fn group(&self) -> String {
        format!("Group:{}-{EVENT_CONSUMER}", self.stack_name)
    }

    /// The rights that docs/operations.md gives to two users.
    async fn give_rights(&self, mqadmin: &Mqadmin) -> anyhow::Result<()> {
        for (user, secret) in [CREATING, SCHEDULED] {
            mqadmin.create_user(user, secret).await?;
        }
        let orders = self.topic("RocketmqTopic");
        mqadmin.allow(CREATING.0, "Pub", &format!("Topic:{orders}")).await?;
        let users = self.topic("RocketmqUserTopic");
        let topics = format!("Topic:{orders},Topic:{users}");
        mqadmin.allow(SCHEDULED.0, "Pub,Sub,Get", &topics).await?;
        mqadmin.allow(SCHEDULED.0, "Pub", &format!("Topic:{orders}_DLQ")).await?;
        mqadmin.allow(SCHEDULED.0, "Sub,Get", &format!("{}*", self.group())).await?;
        mqadmin.allow(SCHEDULED.0, "Get", "Topic:TRANS_CHECK_MAX_TIME_TOPIC").await
    }

    /// Sets the variables that the template takes from the secrets and the parameter.
    fn configure(&self, options: &mut SystemOptions) {
        options.stack_name.clone_from(&self.stack_name);
        options.parameters.clone_from(&self.topics);
        for function in FUNCTIONS {
            let user = if function == CREATE_ORDER { CREATING } else { SCHEDULED };
            set(options, function, &self.authority, user);
        }
        // A name server asks for no signature.
        let authority = ("ROCKETMQ_TLS_CA".to_owned(), self.authority.clone());
        options.function_environment.entry(HEALTH.to_owned()).or_default().extend([authority]);
    }
}

fn set(options: &mut SystemOptions, function: &str, authority: &str, (user, secret): (&str, &str)) {
    let variables = [
        ("ROCKETMQ_TLS_CA", authority),
        ("ROCKETMQ_ACCESS_KEY", user),
        ("ROCKETMQ_SECRET_KEY", secret),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    options.function_environment.entry(function.to_owned()).or_default().extend(variables);
}

/// Asserts that the broker answers nobody who speaks plain text.
async fn refuses_plain_text(cluster: &Cluster) -> anyhow::Result<()> {
    let fields = fields(&[("topic", "ORDER_EVENTS"), ("queueId", "0")]);
    let request = Frame::request(code::GET_BROKER_CLUSTER_INFO, 1, fields);
    let answer = ask(cluster.broker(), &request).await;
    anyhow::ensure!(answer.is_err(), "in plain text the broker answers {answer:?}");
    Ok(())
}

/// Revokes the scheduled functions' right to the topic of orders, and grants it again once a metric
/// with an alarm shows the fault. A long run also waits for health, and returns how long that took.
async fn without_right(
    bench: &Bench<'_>,
    rig: &Rig<'_>,
    mqadmin: &Mqadmin,
    deployment: &Deployment,
) -> anyhow::Result<Option<Duration>> {
    let failed = async || {
        let metric = rig.metric("FailedReceives")?;
        anyhow::Ok(metric.is_some_and(|failed| failed > 0.0))
    };
    anyhow::ensure!(!failed().await?, "receiving failed while every right was there");
    let topic = format!("Topic:{}", deployment.topic("RocketmqTopic"));
    mqadmin.forbid(SCHEDULED.0, &topic).await?;
    let taken = Instant::now();
    let orders = bench.either(3, 20);
    let created = rig.create_all("without-right", orders).await.len();
    anyhow::ensure!(u64::try_from(created)? == orders, "{created} of {orders} were created");
    eventually("a metric says that receiving fails", async || Ok(failed().await?.then_some(())))
        .await?;
    let said = if bench.either(false, true) {
        eventually("health says that events wait", async || {
            let (_, health) = rig.get("/health/ready").await?;
            Ok(health.to_string().contains(LATE).then_some(()))
        })
        .await?;
        Some(taken.elapsed())
    } else {
        None
    };
    mqadmin.allow(SCHEDULED.0, "Pub,Sub,Get", &topic).await?;
    rest(rig).await?;
    Ok(said)
}

/// create-order has a secret that is no longer its user's: its orders are created without the
/// broker, and the sweep publishes their events. Returns how long that took.
async fn with_old_secret(rig: &Rig<'_>, mqadmin: &Mqadmin) -> anyhow::Result<Duration> {
    mqadmin.change_secret(CREATING.0, CHANGED).await?;
    let begun = Instant::now();
    let created = rig.create_all("old-secret", 10).await.len();
    anyhow::ensure!(created == 10, "{created} of 10 were created with an old secret");
    rest(rig).await?;
    let took = begun.elapsed();
    mqadmin.change_secret(CREATING.0, CREATING.1).await?;
    Ok(took)
}

/// How the functions' connections to the cluster began.
fn tls_counts(rig: &Rig<'_>) -> anyhow::Result<TlsCounts> {
    let mut all = TlsCounts::default();
    for function in FUNCTIONS {
        let counts = rig.proxies_of(function)?.broker.tls_counts();
        let TlsCounts { secured, refused, plain } = counts.context("proxies without TLS")?;
        all.secured += secured;
        all.refused += refused;
        all.plain += plain;
    }
    Ok(all)
}

/// A system whose create-order trusts another authority, whose event-consumer has a wrong secret,
/// and whose transaction-check speaks plain text. Orders are created, and none of their events is
/// published. Returns how many connections were refused, and how many orders have no event.
async fn strangers(bench: &Bench<'_>, cluster: &Cluster) -> anyhow::Result<Measure> {
    let deployment = Deployment::new(cluster)?;
    let strange = strange_authority()?;
    let control = Rig::start_with(cluster, bench.seed, Crew::default(), |options| {
        deployment.configure(options);
        set(options, CREATE_ORDER, &strange, CREATING);
        set(options, EVENT_CONSUMER, &deployment.authority, (SCHEDULED.0, "a-wrong-secret"));
        options.function_environment.remove(TRANSACTION_CHECK);
    })
    .await?;
    let orders = bench.either(2, 10);
    let created = control.create_all("stranger", orders).await.len();
    anyhow::ensure!(u64::try_from(created)? == orders, "{created} of {orders} were created");
    eventually("every function is refused", async || {
        let deferred = control.metric("EventsDeferred")?.is_some_and(|deferred| deferred > 0.0);
        let failed = control.metric("FailedReceives")?.is_some_and(|failed| failed > 0.0);
        Ok((deferred && failed).then_some(()))
    })
    .await?;
    let counts = |function| {
        let counts = control.proxies_of(function)?.broker.tls_counts();
        counts.context("proxies without TLS")
    };
    let (creating, checking) = (counts(CREATE_ORDER)?, counts(TRANSACTION_CHECK)?);
    let is_refused = creating.secured == 0 && creating.refused > 0;
    anyhow::ensure!(is_refused, "with another authority connections began with {creating:?}");
    let is_plain = checking.secured == 0 && checking.plain > 0;
    anyhow::ensure!(is_plain, "in plain text connections began with {checking:?}");
    let published = World::copies(&control).await?.len();
    anyhow::ensure!(published == 0, "strangers have published {published} events");
    let lost = judge_as_it_is(&control).await?.figures.lost;
    // The warm-up is one more order.
    anyhow::ensure!(lost == orders + 1, "{lost} of {orders} orders have no event");
    control.stop().await;
    Ok(Measure::Count(creating.refused + checking.plain + lost))
}
