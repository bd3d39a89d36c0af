//! Kills or freezes a function in the middle of its work.
//!
//! A function behind the API is at work only while it has a request. So it gets one, the proxy holds
//! the write that it makes for it, and the process that stands there is killed or stopped.

use std::time::Duration;

use anyhow::Context;
use harness::faults::{Held, Point};
use harness::order_calls::{created_by, updates_of};
use harness::table_proxy::TableCall;
use local_lambda::Signal;

use super::kill::Window;
use super::shopper::new_trace;
use super::{Buttons, Parts, Pressed};
use crate::feed::{Feed, Kill};

/// How long it may take until a function makes its write.
const LIMIT: Duration = Duration::from_secs(15);

/// The write before which a function is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// create-order's.
    Order,
    /// cancel-order's.
    Cancel,
    /// user-login's.
    Session,
    /// event-consumer's.
    Reservation,
}

impl Write {
    fn of_function(name: &str) -> Option<Self> {
        Some(match name {
            "create-order" => Self::Order,
            "cancel-order" => Self::Cancel,
            "user-login" => Self::Session,
            "event-consumer" => Self::Reservation,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Order => "the put",
            Self::Cancel => "the cancel",
            Self::Session => "the session is stored",
            Self::Reservation => "the reservation",
        }
    }

    /// What will happen after a kill.
    const fn follows(self) -> &'static str {
        match self {
            Self::Order => Window::Put.follows(),
            Self::Cancel => "Nothing was written, so nothing needs repair: cancel it again.",
            Self::Session => {
                "There is neither a session nor its event: nothing needs repair. The next login \
                 starts a process."
            }
            Self::Reservation => {
                "The event is still pending in its order. Its next window starts within a minute, \
                 and the broker delivers the event again."
            }
        }
    }

    /// Whether `call` is the write for the request with this trace.
    fn is_in(self, call: &TableCall, trace: &str, feed: &Feed) -> bool {
        let is_write = matches!(&*call.operation, "PutItem" | "UpdateItem" | "TransactWriteItems");
        match self {
            // The event that they store names the trace of its request.
            Self::Order | Self::Cancel | Self::Session => {
                is_write && call.body.to_string().contains(trace)
            }
            Self::Reservation => {
                let order_id = feed.order_of(trace);
                updates_of(call).into_iter().any(|update| Some(update.order_id) == order_id)
            }
        }
    }
}

/// A function that stands before its write.
struct Caught {
    pids: Vec<u32>,
    order_id: Option<String>,
    trace: String,
    held: Held<TableCall>,
}

impl Buttons {
    pub(super) async fn kill(&self, parts: &Parts, function: &str) -> anyhow::Result<Pressed> {
        let Some(write) = Write::of_function(function) else {
            return self.kill_any(parts, function);
        };
        let caught = self.caught(parts, function, write).await?;
        let Caught { pids, order_id, trace, held } = caught;
        self.0.feed.killed(&Kill {
            function,
            pids: &pids,
            before: Some(write.name()),
            order: order_id.as_deref().map(|order_id| (order_id, trace.as_str())),
        });
        for pid in pids {
            parts.host.kill_instance(function, pid)?;
        }
        held.lose();
        let said = format!("{function} was killed before {}. {}", write.name(), write.follows());
        Ok(Pressed { said, order_id })
    }

    /// Kills the processes of a function that are at work, else those that wait.
    fn kill_any(&self, parts: &Parts, function: &str) -> anyhow::Result<Pressed> {
        let running = parts.host.instances(function)?;
        let is_at_work = running.iter().any(|one| one.busy);
        let pids: Vec<_> =
            running.iter().filter(|one| one.busy == is_at_work).map(|one| one.pid).collect();
        anyhow::ensure!(!pids.is_empty(), "No process of {function} runs: a request starts one.");
        self.0.feed.killed(&Kill { function, pids: &pids, before: None, order: None });
        for pid in &pids {
            parts.host.kill_instance(function, *pid)?;
        }
        let follows = match (function, is_at_work) {
            ("transaction-check", true) => {
                "What it left undone waits in the table and at the broker. Its next window starts \
                 within a minute and goes on."
            }
            (_, true) => "The client gets an error. The next request starts a process.",
            (_, false) => "It waited, frozen, and held nothing. The next request starts a process.",
        };
        Ok(Pressed::said(format!("{} of {function} killed. {follows}", super::count(pids.len()))))
    }

    pub(super) async fn freeze(&self, parts: &Parts, function: &str) -> anyhow::Result<Pressed> {
        let running = parts.host.instances(function)?;
        let busy: Vec<_> = running.iter().filter(|one| one.busy).map(|one| one.pid).collect();
        let (pids, order_id, held) = if !busy.is_empty() {
            (busy, None, None)
        } else if let Some(write) = Write::of_function(function) {
            let Caught { pids, order_id, held, .. } = self.caught(parts, function, write).await?;
            (pids, order_id, Some(held))
        } else {
            anyhow::bail!("No process of {function} is at work. One that waits is frozen already.");
        };
        for pid in &pids {
            parts.host.signal_instance(function, *pid, Signal::SIGSTOP)?;
        }
        self.0.feed.mark(function, &pids, true);
        self.0.feed.note(format!("{function} was stopped in the middle of its work"));
        let stopped = super::count(pids.len());
        self.faults().stopped.entry(function.to_owned()).or_default().extend(pids);
        self.0.feed.touch();
        if let Some(held) = held {
            held.release();
        }
        let said = format!(
            "{stopped} of {function} stopped in the middle of its work. Lambda kills it at its \
             time-out, unless you thaw it before."
        );
        Ok(Pressed { said, order_id })
    }

    pub(super) fn thaw(&self, parts: &Parts, function: &str) -> anyhow::Result<Pressed> {
        let stopped = self.faults().stopped.get(function).cloned().unwrap_or_default();
        anyhow::ensure!(!stopped.is_empty(), "No process of {function} was stopped here.");
        for pid in &stopped {
            parts.host.signal_instance(function, *pid, Signal::SIGCONT)?;
        }
        self.faults().stopped.remove(function);
        let pids: Vec<_> = stopped.into_iter().collect();
        self.0.feed.mark(function, &pids, false);
        self.0.feed.note(format!("{function} goes on"));
        let said = format!("{} of {function} goes on where it stood.", super::count(pids.len()));
        Ok(Pressed::said(said))
    }

    /// Sends a function what makes it write, and holds its write.
    async fn caught(&self, parts: &Parts, function: &str, write: Write) -> anyhow::Result<Caught> {
        let trace = new_trace();
        let table = &parts.proxies.of_function(function)?.table;
        let (feed, wanted) = (self.0.feed.clone(), trace.clone());
        let is_write = move |call: &TableCall| write.is_in(call, &wanted, &feed);
        let mut hold = table.on(Point::Request, is_write).once().hold();
        let named = match write {
            Write::Cancel => {
                let created = parts.shopper.create(None).await?;
                Some(created.order_id.context(created.said)?)
            }
            Write::Order | Write::Session | Write::Reservation => None,
        };
        self.ask(write, named.clone(), trace.clone());
        let held = hold.seen(LIMIT).await.with_context(|| {
            format!("{function} did not come to its write. Does the broker run, and {function}?")
        })?;
        let created = || created_by(&held.traffic).map(|attempt| attempt.order_id);
        let order_id = named.or_else(|| self.0.feed.order_of(&trace)).or_else(created);
        let pids = match write {
            // Which of its processes got the message, only they know.
            Write::Reservation => {
                let running = parts.host.instances(function)?;
                running.iter().filter(|one| one.busy).map(|one| one.pid).collect()
            }
            Write::Order | Write::Cancel | Write::Session => {
                let pid = self.0.feed.process_of(&trace);
                vec![pid.context("The process of the request is unknown.")?]
            }
        };
        Ok(Caught { pids, order_id, trace, held })
    }

    /// Sends the request. Nobody waits for its answer: a function that is killed gives none.
    fn ask(&self, write: Write, order_id: Option<String>, trace: String) {
        let buttons = self.clone();
        self.0.tasks.spawn(async move {
            let Some(Parts { shopper, .. }) = buttons.0.parts.get() else { return };
            match (write, order_id) {
                (Write::Cancel, Some(order_id)) => drop(shopper.cancel(&order_id, &trace).await),
                (Write::Cancel, None) => {}
                (Write::Session, _) => drop(shopper.log_in(&trace).await),
                (Write::Order | Write::Reservation, _) => {
                    drop(shopper.create(Some(&trace)).await);
                }
            }
        });
    }
}
