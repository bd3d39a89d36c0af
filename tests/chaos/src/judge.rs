//! After the faults: what was lost, invented or doubled.
//!
//! The judge lifts every fault, lets clients settle their unknown requests, and waits until nothing
//! is under way. Then it reads everything: the tables, every copy on the topic, and the ends of
//! transactions that were sent.

mod reading;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use application::ports::ClusterGauges;
use futures::stream::{self, StreamExt, TryStreamExt};
use harness::broker_proxy::{Half, Journal, Resolution};
use harness::order_calls::Attempt;
use harness::remoting::code;
use tokio::time::Instant;

use crate::client::{Cancel, Intent, Outcome};
use crate::figures::{Figures, Recovery};
use crate::rig::{EVENT_CONSUMER, Rig, TRANSACTION_CHECK};
use crate::waiting::eventually;
pub use reading::{AttemptState, EventCopy, Letter, OrderState, Pending, Records, World};

/// How many settle their unknown requests at once.
const CLIENTS: usize = 8;

/// How often the judge checks that a checker lives.
const WATCH_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Orders in the table whose events are not all on the topic.
    pub lost: Vec<String>,
    /// Events on the topic that no order in the table has raised.
    pub phantom: Vec<String>,
    /// Copies that differ by a byte from the event that their order has raised.
    pub altered: Vec<String>,
    /// Orders that are not decided, have a pending event, or have users who were not notified of
    /// every event.
    pub unfinished: Vec<String>,
    /// Effects that happened more than once, in words.
    pub doubled: Vec<String>,
    /// Answers to clients that are not true, in words.
    pub untrue: Vec<String>,
    /// Transactions for which COMMIT and ROLLBACK were both sent, the ROLLBACK before their message
    /// was on the topic.
    pub contradictions: Vec<String>,
    /// Attempts that were fenced or rolled back, and created their order all the same.
    pub revived: Vec<String>,
    /// Scheduled functions whose window was seen to be cut off, by its time-out or by the end of
    /// its process.
    pub overrun: Vec<String>,
    pub figures: Figures,
}

impl Findings {
    /// The figures, if nothing was lost, invented or doubled, all answers to clients were true, and
    /// no scheduled function was cut off.
    ///
    /// # Errors
    /// [`Unclean`] otherwise.
    pub fn must_be_clean(self) -> Result<Figures, Unclean> {
        let kinds = [
            ("lost", &self.lost),
            ("phantom", &self.phantom),
            ("altered", &self.altered),
            ("unfinished", &self.unfinished),
            ("doubled", &self.doubled),
            ("untrue", &self.untrue),
            ("both COMMIT and ROLLBACK were sent", &self.contradictions),
            ("stored after a ROLLBACK", &self.revived),
            ("cut off", &self.overrun),
        ];
        let wrong: Vec<String> = kinds
            .into_iter()
            .filter(|(_, found)| !found.is_empty())
            .map(|(kind, found)| format!("{kind}: {}", found.join(", ")))
            .collect();
        if wrong.is_empty() {
            return Ok(self.figures);
        }
        Err(Unclean { what: wrong.join("; "), figures: Box::new(self.figures) })
    }
}

/// A run in which something was lost, invented or doubled, or an answer was not true.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Unclean {
    /// In words.
    what: String,
    /// They count everything in `what`, except functions that were cut off.
    pub figures: Box<Figures>,
}

/// Lifts every fault, waits until the system is at rest, and judges. The figures are complete
/// except for the number of faults.
///
/// # Errors
/// When the system does not come to rest, or cannot be read.
pub async fn judge(rig: &Rig<'_>) -> anyhow::Result<Findings> {
    rig.proxies()?.heal().await?;
    recovers(rig, settle_and_rest(rig)).await?;
    consumed(rig).await?;
    judge_as_it_is(rig).await
}

/// Waits for `recovered`, which ends when the system has recovered from a fault that is over now.
/// Adds the time to the rig, and the part of it without a checker.
///
/// # Errors
/// Those of `recovered`.
pub(crate) async fn recovers<T>(
    rig: &Rig<'_>,
    recovered: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    let without_checker = Cell::new(Duration::ZERO);
    let outcome = tokio::select! {
        outcome = recovered => outcome?,
        never = watch_checkers(rig, &without_checker) => match never {},
    };
    rig.add_recovery(Recovery::new(begun.elapsed(), without_checker.get()));
    Ok(outcome)
}

async fn settle_and_rest(rig: &Rig<'_>) -> anyhow::Result<()> {
    // The system recovers meanwhile, so this time counts.
    stream::iter(rig.log.open_keys())
        .map(anyhow::Ok)
        .try_for_each_concurrent(CLIENTS, async |key| rig.until_known(&key).await.map(drop))
        .await?;
    rest(rig).await
}

/// Waits until event-consumer has consumed every copy of every event: the effects of all copies are
/// known only then.
async fn consumed(rig: &Rig<'_>) -> anyhow::Result<()> {
    let proxy = &rig.proxies_of(EVENT_CONSUMER)?.broker;
    let copies = u64::try_from(World::copies(rig).await?.len())?;
    rig.ask_broker(async |broker, within| {
        eventually("every copy is consumed", async || {
            let lag = broker.consumer_lag(within()).await;
            let acknowledged = proxy.passed_on(code::ACK_MESSAGE);
            Ok((lag.is_ok_and(|lag| lag == 0) && acknowledged >= copies).then_some(()))
        })
        .await
    })
    .await
}

/// Keeps `longest` up to date without end: the longest time in which no checker was a member of its
/// group.
async fn watch_checkers(rig: &Rig<'_>, longest: &Cell<Duration>) -> Infallible {
    let Ok(proxies) = rig.proxies_of(TRANSACTION_CHECK) else {
        return std::future::pending().await;
    };
    let group = format!("{}{TRANSACTION_CHECK}", rig.system.names.group_prefix);
    let mut last = Instant::now();
    loop {
        longest.set(longest.get().max(last.elapsed()));
        if proxies.broker.has_member(&group) {
            last = Instant::now();
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// Judges without waiting for anything: for a control's run, which may never come to rest.
///
/// # Errors
/// When something cannot be read.
pub async fn judge_as_it_is(rig: &Rig<'_>) -> anyhow::Result<Findings> {
    let world = World::read(rig).await?;
    compare(rig, &world)
}

/// [`judge`], with nothing wrong.
///
/// # Errors
/// The same as of [`judge`], and when something is wrong.
pub async fn judge_clean(rig: &Rig<'_>) -> anyhow::Result<Figures> {
    Ok(judge(rig).await?.must_be_clean()?)
}

/// Waits until no half message is open and every order is finished, with no event pending.
///
/// Users' events may be pending. The sweep alone publishes them, and a row may take its checkers
/// away, set their clocks back by an hour or delete the users' topic. Rows K1 and U1 wait for them,
/// by [`Rig::until_users_are_handled`].
///
/// # Errors
/// When that takes too long; the error names what is left.
pub async fn rest(rig: &Rig<'_>) -> anyhow::Result<()> {
    let waited = async {
        drain(rig).await?;
        eventually("the system is at rest", async || {
            if rig.open_halves().await? > 0 {
                return Ok(None);
            }
            let records = Records::read(rig).await?;
            Ok(records.unfinished().is_empty().then_some(()))
        })
        .await
    };
    match recovers(rig, waited).await {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(what_is_left(rig).await?)),
    }
}

/// Waits until nothing is pending, for as long as the number of pending orders falls. It reads only
/// the index: the table also serves the system, and reading ten thousand orders would slow it down.
async fn drain(rig: &Rig<'_>) -> anyhow::Result<()> {
    let mut fewest = usize::MAX;
    while fewest > 0 {
        fewest = eventually("events are handled", async || {
            let left = reading::pending(rig).await?;
            Ok((left < fewest).then_some(left))
        })
        .await?;
    }
    Ok(())
}

/// The most items of one kind that an error names.
const NAMED_MAX: usize = 10;

/// For a system that does not come to rest.
async fn what_is_left(rig: &Rig<'_>) -> anyhow::Result<String> {
    let world = World::read(rig).await?;
    let on_topic: BTreeSet<&str> = world.copies.iter().map(|copy| copy.event_id.as_str()).collect();
    let pending: Vec<_> = world.records.pending().collect();
    let some: Vec<String> = pending
        .iter()
        .take(NAMED_MAX)
        .map(|(order_id, event_id, Pending { publication, failures })| {
            let place = if on_topic.contains(event_id.as_str()) { "on" } else { "not on" };
            format!(
                "{event_id} of {order_id}, {publication}, {failures} failures, {place} its topic"
            )
        })
        .collect();
    let unfinished = world.records.unfinished();
    let halves = rig.proxies()?.journal().open();
    let halves: Vec<String> = halves
        .iter()
        .take(NAMED_MAX)
        .map(|half| {
            let attempt = half.transaction_id.as_deref().unwrap_or("without an attempt");
            format!("{attempt} of {:?} ago, answered {:?}", half.at.elapsed(), half.answer)
        })
        .collect();
    Ok(format!(
        "{} has {} half messages open, by what was sent {halves:?}; {} events pending, such as \
         {some:?}; {} orders unfinished, such as {:?}",
        rig.system.names.stack_name,
        rig.open_halves().await?,
        pending.len(),
        unfinished.len(),
        unfinished.iter().take(NAMED_MAX).collect::<Vec<_>>()
    ))
}

fn compare(rig: &Rig<'_>, world: &World) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    judge_events(world, &mut findings);
    judge_effects(rig, world, &mut findings);
    judge_clients(rig, world, &mut findings);
    judge_ends(rig, world, &mut findings)?;
    findings.overrun = rig.windows.overrun();
    findings.figures = figures(rig, world, &findings)?;
    Ok(findings)
}

/// Checks that half messages were ended as their attempts ended. A half message whose message was
/// already on the topic may be rolled back.
fn judge_ends(rig: &Rig<'_>, world: &World, findings: &mut Findings) -> anyhow::Result<()> {
    let journal = rig.proxies()?.journal();
    let withdrawn = withdrawn(journal, world);
    let contradictions = journal.contradictions().into_iter();
    findings.contradictions = contradictions.filter(|of| withdrawn.contains_key(of)).collect();
    let stored: BTreeSet<&String> =
        world.records.orders.values().map(|order| &order.attempt).collect();
    // A ROLLBACK may be sent again.
    let arrived = withdrawn.into_iter().filter(|(_, passed_on)| *passed_on);
    let retired: BTreeSet<String> =
        arrived.map(|(attempt, _)| attempt).chain(rig.seen.fenced()).collect();
    findings.revived = retired.into_iter().filter(|attempt| stored.contains(attempt)).collect();
    Ok(())
}

/// The transactions for which a ROLLBACK was sent before their message was on the topic, and
/// whether the broker received such a ROLLBACK. Only the topic of orders was read; the message of a
/// user's event is on its topic once the broker has received a COMMIT.
fn withdrawn(journal: &Journal, world: &World) -> BTreeMap<String, bool> {
    let (halves, ends) = (journal.halves().into_iter(), journal.ends());
    let is_of_user =
        |half: &Half| half.aggregate.as_ref().is_some_and(|key| !key.contains("/ORDER#"));
    let of_users: BTreeSet<String> =
        halves.filter(is_of_user).filter_map(|half| half.transaction_id).collect();
    let mut committed = BTreeSet::new();
    let mut visible_at: BTreeMap<&str, i64> = BTreeMap::new();
    for copy in &world.copies {
        let Some(publication) = &copy.publication else { continue };
        let first = visible_at.entry(publication).or_insert(copy.stored_at_ms);
        *first = copy.stored_at_ms.min(*first);
    }
    let mut withdrawn = BTreeMap::new();
    for end in ends {
        let subject = end.transaction_id.unwrap_or(end.message_id);
        let is_visible = if of_users.contains(&subject) {
            committed.contains(&subject)
        } else {
            visible_at.get(subject.as_str()).is_some_and(|at| *at <= end.at_ms)
        };
        match end.resolution {
            Resolution::Commit if end.passed_on => drop(committed.insert(subject)),
            Resolution::Rollback if !is_visible => {
                *withdrawn.entry(subject).or_default() |= end.passed_on;
            }
            _ => {}
        }
    }
    withdrawn
}

/// Checks that the topic holds the events of the orders, byte for byte, and no others.
fn judge_events(world: &World, findings: &mut Findings) {
    let on_topic: BTreeSet<&String> = world.copies.iter().map(|copy| &copy.event_id).collect();
    for (id, order) in &world.records.orders {
        let is_missing = |event_id: &String| !on_topic.contains(event_id);
        let missing: Vec<_> = order
            .history
            .iter()
            .filter(|change| is_missing(&change.event_id))
            .map(|change| change.event_type())
            .collect();
        if !missing.is_empty() {
            findings.lost.push(format!("{id} without its {}", missing.join(" and ")));
        }
    }
    let mut phantom = BTreeSet::new();
    for copy in &world.copies {
        let EventCopy { event_id, event_type, subject, .. } = copy;
        match world.bodies.get(event_id) {
            None => {
                phantom.insert(format!("{event_type} {event_id} of {subject}"));
            }
            Some(body) if *body == copy.body => {}
            Some(_) => findings.altered.push(format!("{event_type} {event_id} of {subject}")),
        }
    }
    findings.phantom = phantom.into_iter().collect();
}

/// Checks that each handler has done its part once for each event, that the stock agrees, and that
/// pending events are where the sweep finds them.
fn judge_effects(rig: &Rig<'_>, world: &World, findings: &mut Findings) {
    let mut ordered: BTreeMap<u64, u64> = BTreeMap::new();
    for (id, order) in &world.records.orders {
        let statuses: Vec<&str> =
            order.history.iter().map(|change| change.status.as_str()).collect();
        let is_decided = matches!(
            *statuses,
            ["CREATED", "CONFIRMED" | "REJECTED" | "CANCELLED"]
                | ["CREATED", "CONFIRMED", "CANCELLED"]
        );
        if !is_decided {
            findings.unfinished.push(format!("{id} {statuses:?}"));
        }
        if order.status == "CONFIRMED" {
            for (product, quantity) in &order.lines {
                *ordered.entry(*product).or_default() += quantity;
            }
        }
        for change in &order.history {
            let event = change.event_type();
            if !order.notifications.contains_key(&change.event_id) {
                findings.unfinished.push(format!("{id} not notified of {event}"));
                continue;
            }
            // A notification is stored by event, so only the calls show a second one.
            match rig.seen.notified(&change.event_id) {
                1 => {}
                times => findings.doubled.push(format!("{id} notified {times} times of {event}")),
            }
        }
        for event_id in order.pending.keys() {
            findings.unfinished.push(format!("{id} with {event_id} pending"));
        }
        if order.is_indexed == order.pending.is_empty() {
            let place = if order.is_indexed { "in" } else { "not in" };
            findings.unfinished.push(format!("{id} {place} the sweep's index"));
        }
    }
    let (open, confirmed) = (world.records.open_units, ordered.values().sum::<u64>());
    if open != confirmed {
        findings.doubled.push(format!("{open} open units for {confirmed} sold"));
    }
    for (product, stock) in &world.records.stock {
        let sold = ordered.get(product).copied().unwrap_or_default();
        let gone = World::INITIAL_STOCK.saturating_sub(*stock);
        if gone != sold {
            findings.doubled.push(format!("product {product}: {gone} reserved for {sold} sold"));
        }
    }
}

/// Checks that every answer to a client is true, and that each key has one order.
fn judge_clients(rig: &Rig<'_>, world: &World, findings: &mut Findings) {
    let mut orders_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let intents = rig.log.intents();
    for entry in rig.log.entries() {
        if let Outcome::Refused { status } = entry.outcome
            && !intents.get(&entry.key).copied().is_some_and(Intent::is_hopeless)
        {
            findings.untrue.push(format!("{} was refused with {status}", entry.key));
        }
        let Some(order_id) = entry.outcome.acked() else { continue };
        if !world.records.orders.contains_key(order_id) {
            findings.untrue.push(format!("{order_id} was acknowledged and does not exist"));
        }
        orders_of.entry(entry.key).or_default().insert(order_id.to_owned());
    }
    for (key, orders) in &orders_of {
        if orders.len() != 1 {
            findings.untrue.push(format!("{key} was answered with {} orders", orders.len()));
        }
    }
    let cancels = rig.log.cancels();
    for (id, order) in &world.records.orders {
        let is_cancelled = order.status == "CANCELLED";
        match cancels.get(id) {
            None if is_cancelled => findings.untrue.push(format!("nobody cancelled {id}")),
            Some(Cancel::Acked) if !is_cancelled => {
                findings.untrue.push(format!("{id} is {} after its cancel", order.status));
            }
            _ => {}
        }
    }
    let acked: BTreeSet<&String> = orders_of.values().flatten().collect();
    for order_id in world.records.orders.keys().filter(|id| !acked.contains(id)) {
        findings.untrue.push(format!("{order_id} exists and no key has it"));
    }
}

fn figures(rig: &Rig<'_>, world: &World, findings: &Findings) -> anyhow::Result<Figures> {
    let entries = rig.log.entries();
    let count = |is: fn(&Outcome) -> bool| {
        u64::try_from(entries.iter().filter(|entry| is(&entry.outcome)).count()).unwrap_or(u64::MAX)
    };
    let len = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let deliveries = rig.proxies_of(EVENT_CONSUMER)?.broker.deliveries();
    Ok(Figures {
        tried: len(rig.log.intents().len()),
        acked: count(|outcome| outcome.acked().is_some()),
        refused: count(|outcome| matches!(outcome, Outcome::Refused { .. })),
        unknown: count(Outcome::is_unknown),
        committed: len(world.records.orders.len()),
        lost: len(findings.lost.len()),
        phantom: len(findings.phantom.len()),
        duplicate_copies: world.duplicates(),
        duplicate_deliveries: deliveries.values().map(|times| times - 1).sum(),
        duplicate_effects: len(findings.doubled.len()),
        fenced: len(rig.seen.fenced().len()),
        contradictions: len(findings.contradictions.len()),
        revived: len(findings.revived.len()),
        times_to_visible: times_to_visible(world),
        recovery: rig.recovery(),
        ..Figures::default()
    })
}

/// From each order's creation, as its history says, to the first copy of its `OrderCreated`.
fn times_to_visible(world: &World) -> Vec<Duration> {
    let mut first: BTreeMap<&String, i64> = BTreeMap::new();
    for copy in world.copies_of("OrderCreated") {
        let stored = first.entry(&copy.subject).or_insert(copy.stored_at_ms);
        *stored = copy.stored_at_ms.min(*stored);
    }
    let orders = world.records.orders.iter();
    let time = |(id, order): (&String, &OrderState)| {
        let after = first.get(id)?.saturating_sub(order.created_at_ms);
        Some(Duration::from_millis(u64::try_from(after).unwrap_or_default()))
    };
    orders.filter_map(time).collect()
}

/// Waits until an attempt is decided, and returns its state.
///
/// # Errors
/// When the table cannot be read, or the attempt is undecided for too long.
pub async fn attempt_state(rig: &Rig<'_>, attempt: &Attempt) -> anyhow::Result<AttemptState> {
    let what = format!("the attempt {} is decided", attempt.transaction_id);
    let decided = eventually(&what, async || reading::attempt(rig, attempt).await);
    recovers(rig, decided).await.context("neither an order nor a fence")
}
