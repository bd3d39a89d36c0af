//! What the console's buttons do: they make faults in a running system, and orders to see them on.

mod broker;
mod give_up;
mod kill;
mod letters;
mod shopper;
mod strike;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::stream;
use harness::faults::{Point, Standing};
use harness::observer::Observer;
use harness::provision::Names;
use harness::proxies::Proxies;
use harness::system::System;
use harness::table_proxy::{TableAnswer, TableCall};
use local_lambda::{InstanceInfo, LambdaHost, Tasks};
use serde::{Deserialize, Serialize};

use crate::feed::Feed;
pub(crate) use broker::BrokerState;
use broker::BrokerSwitch;
pub(crate) use kill::Window;
pub(crate) use letters::Letter;
use shopper::{Shopper, new_trace};

/// The most orders of one press.
const ORDERS_MAX: u32 = 1_000;

/// How many orders are on their way at once.
const ORDERS_AT_ONCE: usize = 8;

/// The share of the table's calls that are throttled.
const THROTTLED: f64 = 0.5;

/// The functions whose calls are throttled: those that work on orders.
const ORDER_FUNCTIONS: [&str; 4] =
    ["create-order", "cancel-order", "event-consumer", "transaction-check"];

/// A press of a button.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "press", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Press {
    /// Creates orders of random products.
    Create {
        orders: u32,
    },
    /// Cancels an order of the demo user.
    Cancel {
        order_id: String,
    },
    /// Creates an order and kills create-order on its way.
    Kill {
        before: Window,
    },
    /// Kills a function in the middle of its work, or where it waits.
    KillFunction {
        function: String,
    },
    /// Stops the processes of a function in the middle of their requests.
    Freeze {
        function: String,
    },
    /// Lets them go on.
    Thaw {
        function: String,
    },
    StopBroker,
    StartBroker,
    /// Throttles half of the calls to the table, or ends that.
    Throttle {
        on: bool,
    },
    /// Creates an order whose event is given up.
    GiveUp,
    /// Redrives all dead letters.
    Redrive,
}

/// What a press did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pressed {
    /// A sentence for the page.
    pub(crate) said: String,
    /// The order to look at.
    pub(crate) order_id: Option<String>,
}

impl Pressed {
    fn said(said: impl Into<String>) -> Self {
        Self { said: said.into(), order_id: None }
    }
}

/// The faults that are made at the moment, and what else the buttons know.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Faults {
    pub(crate) broker: BrokerState,
    pub(crate) is_throttled: bool,
    /// The stopped processes of functions.
    pub(crate) stopped: BTreeMap<String, BTreeSet<u32>>,
    /// What is under way, in words.
    pub(crate) jobs: BTreeMap<u64, String>,
    /// The newest dead letters.
    pub(crate) letters: Vec<Letter>,
}

/// The parts of a running system that the buttons act on.
struct Parts {
    host: LambdaHost,
    proxies: Arc<Proxies>,
    tables: dynamodb::Client,
    names: Names,
    functions: Vec<String>,
    shopper: Shopper,
    broker: BrokerSwitch,
}

/// The buttons. Clones share them.
#[derive(Clone)]
pub(crate) struct Buttons(Arc<Inner>);

struct Inner {
    feed: Feed,
    parts: OnceLock<Parts>,
    faults: Mutex<Faults>,
    throttles: Mutex<Vec<Standing<TableCall>>>,
    next_job: Mutex<u64>,
    tasks: Tasks,
}

impl Buttons {
    pub(crate) fn new(feed: Feed) -> Self {
        Self(Arc::new(Inner {
            feed,
            parts: OnceLock::new(),
            faults: Mutex::default(),
            throttles: Mutex::default(),
            next_job: Mutex::default(),
            tasks: Tasks::default(),
        }))
    }

    /// Takes over the parts of a system that has started: its proxies and its broker.
    ///
    /// # Errors
    /// When the system has no proxies, or the buttons have a system already.
    pub(crate) fn attach(&self, system: &mut System) -> anyhow::Result<()> {
        let proxies = system.proxies.take().context("the system has no proxies")?;
        let broker = BrokerSwitch::new(system.broker.take());
        let functions = system.template.functions.iter().map(|function| function.name.clone());
        let state = broker.state();
        let parts = Parts {
            host: system.host.clone(),
            proxies: Arc::new(proxies),
            tables: dynamodb::connect_to(&system.endpoints.table_url),
            names: system.names.clone(),
            functions: functions.collect(),
            shopper: Shopper::new(&system.api_url),
            broker,
        };
        let is_first = self.0.parts.set(parts).is_ok();
        anyhow::ensure!(is_first, "the buttons have a system already");
        self.faults().broker = state;
        let buttons = self.clone();
        self.0.tasks.spawn(async move { buttons.keep_looking().await });
        Ok(())
    }

    /// Ends what is under way, and gives the broker back to its system.
    pub(crate) async fn detach(&self, system: &mut System) {
        self.0.tasks.abort();
        self.0.tasks.finish().await;
        self.throttles().clear();
        if let Some(parts) = self.0.parts.get() {
            system.broker = parts.broker.take().await;
        }
    }

    pub(crate) fn functions(&self) -> &[String] {
        self.0.parts.get().map(|parts| parts.functions.as_slice()).unwrap_or_default()
    }

    pub(crate) fn faults_now(&self) -> Faults {
        self.faults().clone()
    }

    /// Does what a button says. What takes long goes on after the answer.
    ///
    /// # Errors
    /// When it is not possible; the error says why, for the page.
    pub(crate) async fn press(&self, press: Press) -> anyhow::Result<Pressed> {
        let parts = self.0.parts.get().context("The system is still starting.")?;
        match press {
            Press::Create { orders } => self.create(parts, orders).await,
            Press::Cancel { order_id } => {
                let said = parts.shopper.cancel(&order_id, &new_trace()).await?;
                Ok(Pressed { said, order_id: Some(order_id) })
            }
            Press::Kill { before } => kill::press(&self.0.feed, parts, before).await,
            Press::KillFunction { function } => self.kill(parts, &function).await,
            Press::Freeze { function } => self.freeze(parts, &function).await,
            Press::Thaw { function } => self.thaw(parts, &function),
            Press::StopBroker => self.stop_broker(),
            Press::StartBroker => self.start_broker(),
            Press::Throttle { on } => self.throttle(parts, on),
            Press::GiveUp => self.give_up(parts).await,
            Press::Redrive => self.redrive(parts).await,
        }
    }

    async fn create(&self, parts: &Parts, orders: u32) -> anyhow::Result<Pressed> {
        anyhow::ensure!((1..=ORDERS_MAX).contains(&orders), "Create 1 to {ORDERS_MAX} orders.");
        if orders == 1 {
            let answer = parts.shopper.create(None).await?;
            return Ok(Pressed { said: answer.said, order_id: answer.order_id });
        }
        let buttons = self.clone();
        self.job(format!("creating {orders} orders"), async move |job| {
            let Some(parts) = buttons.0.parts.get() else { return };
            let creating = stream::iter(0..orders).map(|_| parts.shopper.create(None));
            let mut creating = std::pin::pin!(creating.buffer_unordered(ORDERS_AT_ONCE));
            let (mut done, mut failed) = (0_u32, 0_u32);
            while let Some(answer) = creating.next().await {
                let is_created = answer.is_ok_and(|answer| answer.is_created);
                if is_created {
                    done += 1
                } else {
                    failed += 1
                }
                buttons.says(job, format!("creating orders: {done} of {orders}"));
            }
            buttons.0.feed.note(match failed {
                0 => format!("{done} orders were created"),
                _ => format!("{done} orders were created, {failed} were not"),
            });
        });
        Ok(Pressed::said(format!("Creating {orders} orders, {ORDERS_AT_ONCE} at a time.")))
    }

    fn throttle(&self, parts: &Parts, on: bool) -> anyhow::Result<Pressed> {
        let mut throttles = self.throttles();
        throttles.clear();
        if on {
            for (seed, function) in (1..).zip(ORDER_FUNCTIONS) {
                let (feed, name) = (self.0.feed.clone(), function.to_owned());
                let table = &parts.proxies.of_function(function)?.table;
                let rule = table.on(Point::Request, |_| true).share(THROTTLED, seed);
                throttles.push(rule.answer(move |call| {
                    let answer = TableAnswer::over_capacity();
                    feed.call(&name, &TableCall { answer: Some(answer.clone()), ..call.clone() });
                    answer
                }));
            }
        }
        drop(throttles);
        self.faults().is_throttled = on;
        let said = if on {
            "Half of the table's calls are refused with \
             ProvisionedThroughputExceededException. Create orders and see the retries."
        } else {
            "The table takes every call again."
        };
        self.0.feed.note(if on { "the table is throttled" } else { "the table is free again" });
        Ok(Pressed::said(said))
    }

    /// Looks now and then at what no proxy sees.
    async fn keep_looking(&self) {
        loop {
            if let Some(parts) = self.0.parts.get() {
                // A look finds processes that were killed while they waited.
                for function in &parts.functions {
                    if let Ok(running) = parts.host.instances(function) {
                        self.forget_gone(function, &running);
                    }
                }
                if self.0.feed.is_watched()
                    && let Ok(letters) = letters::newest(parts).await
                {
                    let mut faults = self.faults();
                    let is_new = faults.letters != letters;
                    faults.letters = letters;
                    drop(faults);
                    if is_new {
                        self.0.feed.touch();
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Forgets the stopped processes that are gone, such as by their time-out.
    fn forget_gone(&self, function: &str, running: &[InstanceInfo]) {
        let mut faults = self.faults();
        if let Some(stopped) = faults.stopped.get_mut(function) {
            stopped.retain(|pid| running.iter().any(|one| one.pid == *pid));
            if stopped.is_empty() {
                faults.stopped.remove(function);
                drop(faults);
                self.0.feed.touch();
            }
        }
    }

    /// Runs `work` beside the page, with a line that says what is under way.
    fn job<Work: Future<Output = ()> + Send + 'static>(
        &self,
        text: String,
        work: impl FnOnce(u64) -> Work,
    ) {
        let job = Job { buttons: self.clone(), number: self.next_job() };
        self.says(job.number, text);
        let work = work(job.number);
        self.0.tasks.spawn(async move {
            work.await;
            drop(job);
        });
    }

    /// Begins a job, unless one with the same words is under way.
    fn only_job(&self, text: &str) -> Option<Job> {
        let number = self.next_job();
        let mut faults = self.faults();
        if faults.jobs.values().any(|job| job == text) {
            return None;
        }
        faults.jobs.insert(number, text.to_owned());
        drop(faults);
        self.0.feed.touch();
        Some(Job { buttons: self.clone(), number })
    }

    fn next_job(&self) -> u64 {
        let mut next = self.0.next_job.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        *next
    }

    fn says(&self, job: u64, text: String) {
        self.faults().jobs.insert(job, text);
        self.0.feed.touch();
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttles(&self) -> MutexGuard<'_, Vec<Standing<TableCall>>> {
        self.0.throttles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is under way until this is dropped.
struct Job {
    buttons: Buttons,
    number: u64,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.buttons.faults().jobs.remove(&self.number);
        self.buttons.0.feed.touch();
    }
}

fn count(processes: usize) -> String {
    if processes == 1 { "One process".to_owned() } else { format!("{processes} processes") }
}

#[cfg(test)]
mod tests {
    use super::{Buttons, Press, Window};
    use crate::feed::Feed;

    #[test]
    fn no_second_job_with_the_same_words_begins_before_the_first_has_ended() {
        let buttons = Buttons::new(Feed::new());
        let first = buttons.only_job("giving up an event").unwrap();
        assert!(buttons.only_job("giving up an event").is_none());
        let other = buttons.only_job("another").unwrap();
        drop(first);
        assert_eq!(buttons.faults_now().jobs.into_keys().collect::<Vec<_>>(), [other.number]);
        assert!(buttons.only_job("giving up an event").is_some());
    }

    #[test]
    fn a_press_is_read_as_the_page_writes_it() {
        let read = |text| serde_json::from_str::<Press>(text).ok();
        let create = r#"{"press": "create", "orders": 10}"#;
        assert_eq!(read(create), Some(Press::Create { orders: 10 }));
        let before = Window::Commit;
        let kill = r#"{"press": "kill", "before": "commit"}"#;
        assert_eq!(read(kill), Some(Press::Kill { before }));
        let function = "user-login".to_owned();
        let kill = r#"{"press": "kill-function", "function": "user-login"}"#;
        assert_eq!(read(kill), Some(Press::KillFunction { function }));
        assert_eq!(read(r#"{"press": "stop-broker"}"#), Some(Press::StopBroker));
        assert_eq!(read(r#"{"press": "create"}"#), None);
        assert_eq!(read(r#"{"press": "explode"}"#), None);
    }
}
