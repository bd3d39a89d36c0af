//! The moments in the creation of an order at which a call or frame is held and a process can be
//! hit.

use std::time::Duration;

use anyhow::Context;
use application::orders::identity::order_of_key;
use application::ports::IdempotencyKey;
use domain::identity::UserId;
use harness::broker_proxy::{End, Half, Passage, Resolution, frames, sends};
use harness::faults::{Held, Hold, Point};
use harness::order_calls::{Attempt, created_by, creates_with_half_message};
use harness::provision::DEMO_USER_ID;
use harness::remoting::code;
use harness::table_proxy::TableCall;
use tokio::time::Instant;

use crate::client::Outcome;
use crate::judge::recovers;
use crate::rig::{CREATE_ORDER, FAULT_LIMIT, Rig};
use crate::waiting::eventually;

/// A moment between two steps of creating an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// The half message is stored, and create-order does not know it yet.
    HalfUnacknowledged,
    /// The local transaction, the put of the order, is on its way to the table.
    TransactionUnseen,
    /// The local transaction is stored, and create-order does not know it yet.
    TransactionUnanswered,
    /// The end is on its way to the broker.
    EndUnseen,
}

impl Window {
    pub(super) const ALL: [Self; 4] = [
        Self::HalfUnacknowledged,
        Self::TransactionUnseen,
        Self::TransactionUnanswered,
        Self::EndUnseen,
    ];

    /// Stops what comes next in this window from the order under an idempotency key. Calls name the
    /// order, because the answer to an earlier order's call may still be on its way although its
    /// process is dead. Frames do not: a dead process has no connection on which they could come.
    pub(super) fn watch(self, rig: &Rig<'_>, key: &str) -> anyhow::Result<Watch> {
        let proxies = rig.proxies_of(CREATE_ORDER)?;
        let user_id = UserId::new(DEMO_USER_ID)?;
        let idempotency_key = IdempotencyKey::parse(key).context("not an idempotency key")?;
        let order_id = order_of_key(user_id, &idempotency_key).to_string();
        let transaction = move |call: &TableCall| {
            creates_with_half_message(call)
                && created_by(call).is_some_and(|attempt| attempt.order_id == order_id)
        };
        Ok(match self {
            Self::HalfUnacknowledged => {
                Watch::Frame(proxies.broker.on(Point::Response, sends()).once().hold())
            }
            Self::TransactionUnseen => {
                Watch::Call(proxies.table.on(Point::Request, transaction).once().hold())
            }
            Self::TransactionUnanswered => {
                Watch::Call(proxies.table.on(Point::Response, transaction).once().hold())
            }
            Self::EndUnseen => Watch::Frame(
                proxies.broker.on(Point::Request, frames(code::END_TRANSACTION)).once().hold(),
            ),
        })
    }
}

pub(super) enum Watch {
    Frame(Hold<Passage>),
    Call(Hold<TableCall>),
}

pub(super) enum Stopped {
    Frame(Held<Passage>),
    Call(Held<TableCall>),
}

impl Watch {
    pub(super) async fn seen(&mut self) -> anyhow::Result<Stopped> {
        Ok(match self {
            Self::Frame(hold) => Stopped::Frame(hold.seen(FAULT_LIMIT).await?),
            Self::Call(hold) => Stopped::Call(hold.seen(FAULT_LIMIT).await?),
        })
    }
}

impl Stopped {
    pub(super) fn release(self) {
        match self {
            Self::Frame(held) => held.release(),
            Self::Call(held) => held.release(),
        }
    }

    pub(super) fn lose(self) {
        match self {
            Self::Frame(held) => held.lose(),
            Self::Call(held) => held.lose(),
        }
    }

    pub(super) fn attempt(&self) -> anyhow::Result<Attempt> {
        let Self::Call(held) = self else { anyhow::bail!("no call to the table was stopped") };
        created_by(&held.traffic).context("a transaction without an attempt")
    }
}

/// Waits until the broker asks about an attempt, and stops only that check-back: on a slow machine
/// the order may also have the half message of an abandoned attempt.
pub(super) async fn question_of(
    rig: &Rig<'_>,
    questions: &mut Hold<Passage>,
    attempt: &Attempt,
) -> anyhow::Result<Held<Passage>> {
    let journal = rig.proxies()?.journal();
    loop {
        let question = questions.seen(FAULT_LIMIT).await?;
        let message_id = question.traffic.frame.field("msgId").unwrap_or_default();
        let is_of_attempt = |half: &Half| {
            half.message_id == message_id
                && half.transaction_id.as_deref() == Some(&attempt.transaction_id)
        };
        if journal.halves().iter().any(is_of_attempt) {
            return Ok(question);
        }
        question.release();
    }
}

/// Waits until a ROLLBACK for an attempt was sent to the broker, and returns it.
pub(super) async fn rolled_back(rig: &Rig<'_>, attempt: &Attempt) -> anyhow::Result<End> {
    let journal = rig.proxies()?.journal();
    let rollback = eventually("the attempt is rolled back", async || {
        let mut ends = journal.ends_of(&attempt.transaction_id).into_iter();
        Ok(ends.find(|end| end.passed_on && end.resolution == Resolution::Rollback))
    });
    recovers(rig, rollback).await
}

/// After an order that did not reach the window. While the breaker is open (10 s), orders are
/// created without the broker and are answered immediately, so all tries would be over before it
/// closes.
pub(super) const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Requests an order and causes a fault in a window, while the client waits. If an order does not
/// reach the window, or create-order has given up what is held before the fault is caused, another
/// one is requested, until [`FAULT_LIMIT`] is over.
pub(super) async fn amid<T>(
    rig: &Rig<'_>,
    key: &str,
    window: Window,
    fault: impl AsyncFnOnce(Stopped) -> anyhow::Result<T>,
) -> anyhow::Result<(Outcome, T)> {
    let began = Instant::now();
    let mut missed = 0_u32;
    while began.elapsed() < FAULT_LIMIT {
        let key = format!("{key}-try-{missed}");
        let mut watch = window.watch(rig, &key)?;
        let creating = rig.create(&key);
        tokio::pin!(creating);
        let stopped = tokio::select! {
            biased;
            stopped = watch.seen() => Some(stopped?),
            _ = &mut creating => None,
        };
        if let Some(stopped) = stopped {
            let instances = rig.system.host.instances(CREATE_ORDER)?;
            if instances.iter().any(|instance| instance.busy) {
                let (outcome, done) = tokio::join!(creating, fault(stopped));
                return Ok((outcome, done?));
            }
            stopped.release();
            creating.await;
        }
        missed += 1;
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    anyhow::bail!("{missed} orders in {FAULT_LIMIT:?} did not come to the window {window:?}")
}
