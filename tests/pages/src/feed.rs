//! What the console knows: the stories of the newest orders, counts and processes, made from the
//! traffic that a system's proxies and host see.
//!
//! Its memory is limited: each part keeps its newest entries.

mod calls;
mod frames;
mod processes;
mod snapshot;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harness::broker_proxy::Passage;
use harness::observer::Observer;
use harness::table_proxy::TableCall;
use local_lambda::{ProcessChange, ProcessObserver};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ring::Ring;
use crate::step::{Kind, Lane, Outcome};
use crate::story::{Half, NewStep, Story};
use frames::{DeliveredAs, Published, Waiting};
pub(crate) use processes::Process;
use processes::Processes;

/// How many orders are kept.
const STORIES_MAX: usize = 200;
/// How many messages, requests, deliveries and events are remembered, to know whose they are.
const REMEMBERED_MAX: usize = 8_192;
/// How many lines of activity are kept.
const ACTIVITY_MAX: usize = 60;

/// The counts since the start.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) created: u64,
    pub(crate) confirmed: u64,
    pub(crate) rejected: u64,
    pub(crate) cancelled: u64,
    pub(crate) half_messages: u64,
    /// Half messages without an end.
    pub(crate) waiting: u64,
    pub(crate) commits: u64,
    pub(crate) rollbacks: u64,
    pub(crate) check_backs: u64,
    pub(crate) fences: u64,
    pub(crate) claims: u64,
    pub(crate) deliveries: u64,
    pub(crate) acknowledged: u64,
    pub(crate) given_up: u64,
    pub(crate) throttled: u64,
    pub(crate) killed: u64,
}

/// The traffic of one topic.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct TopicCounts {
    half_messages: u64,
    commits: u64,
    rollbacks: u64,
    deliveries: u64,
    acknowledged: u64,
}

/// The calls to one table.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct TableCounts {
    reads: u64,
    writes: u64,
    /// Writes whose condition failed.
    refused: u64,
    throttled: u64,
}

/// One line of what happens besides orders.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Activity {
    number: u64,
    at_ms: f64,
    text: String,
}

/// The console's knowledge. Clones share it.
#[derive(Clone)]
pub(crate) struct Feed(Arc<Shared>);

struct Shared {
    started: Instant,
    state: Mutex<State>,
    /// The number of changes, for those who wait for the next one.
    revision: watch::Sender<u64>,
}

struct State {
    stories: Ring<String, Story>,
    counts: Counts,
    topics: BTreeMap<String, TopicCounts>,
    tables: BTreeMap<String, TableCounts>,
    processes: Processes,
    activity: VecDeque<Activity>,
    activities: u64,
    /// By the id that the client gave them.
    messages: Ring<String, Published>,
    /// Requests to the broker without an answer, by their connection and number.
    requests: Ring<(u64, i32), Waiting>,
    /// By topic, queue and position.
    deliveries: Ring<(String, i32, i64), DeliveredAs>,
    /// The orders of events.
    events: Ring<String, String>,
    /// The orders of requests, by their traces.
    traces: Ring<String, String>,
}

impl State {
    fn new() -> Self {
        Self {
            stories: Ring::new(STORIES_MAX),
            counts: Counts::default(),
            topics: BTreeMap::new(),
            tables: BTreeMap::new(),
            processes: Processes::default(),
            activity: VecDeque::new(),
            activities: 0,
            messages: Ring::new(REMEMBERED_MAX),
            requests: Ring::new(REMEMBERED_MAX),
            deliveries: Ring::new(REMEMBERED_MAX),
            events: Ring::new(REMEMBERED_MAX),
            traces: Ring::new(REMEMBERED_MAX),
        }
    }

    /// The story of an order, which begins here if it is new.
    fn story(&mut self, order_id: &str) -> Option<&mut Story> {
        let id = order_id.to_owned();
        if self.stories.get(&id).is_none() {
            self.stories.put(id.clone(), Story::new(order_id.to_owned()));
        }
        self.stories.get_mut(&id)
    }

    /// Adds a step to an order's story, and returns its number.
    fn add_step(&mut self, order_id: &str, step: NewStep) -> u32 {
        self.story(order_id).map_or(0, |story| story.add(step))
    }

    fn note(&mut self, at_ms: f64, text: String) {
        self.activities += 1;
        self.activity.push_back(Activity { number: self.activities, at_ms, text });
        if self.activity.len() > ACTIVITY_MAX {
            self.activity.pop_front();
        }
    }
}

/// Processes that a button kills.
pub(crate) struct Kill<'a> {
    pub(crate) function: &'a str,
    pub(crate) pids: &'a [u32],
    /// What they do not come to, such as "the put".
    pub(crate) before: Option<&'a str>,
    /// The order that they work for, and the trace of its request.
    pub(crate) order: Option<(&'a str, &'a str)>,
}

/// A step between two lanes that needs no answer.
fn step(at_ms: f64, from: Lane, to: Lane, kind: Kind, label: impl Into<String>) -> NewStep {
    let (label, outcome, took_ms) = (label.into(), Outcome::Done, None);
    NewStep { at_ms, from, to, kind, label, outcome, took_ms }
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            started: Instant::now(),
            state: Mutex::new(State::new()),
            revision: watch::channel(0).0,
        }))
    }

    /// Notes something that is not a step of an order.
    pub(crate) fn note(&self, text: impl Into<String>) {
        let at_ms = self.now_ms();
        self.change(|state| state.note(at_ms, text.into()));
    }

    /// The process that serves the request with this trace.
    pub(crate) fn process_of(&self, trace: &str) -> Option<u32> {
        self.state().processes.serving(trace)
    }

    /// Whether the half message with this id belongs to the request with this trace.
    pub(crate) fn is_message_of(&self, message_id: &str, trace: &str) -> bool {
        let state = self.state();
        let message = state.messages.get(&message_id.to_owned());
        message.is_some_and(|message| message.trace.as_deref() == Some(trace))
    }

    /// Adds that a button kills processes.
    pub(crate) fn killed(&self, kill: &Kill<'_>) {
        let at_ms = self.now_ms();
        self.change(|state| state.killed(kill, at_ms));
    }

    /// Adds an event that the console itself has redriven, past the proxies.
    pub(crate) fn redriven(&self, order_id: &str, event_id: String) {
        let at_ms = self.now_ms();
        self.change(|state| {
            let (from, to) = (Lane::Client, Lane::Table);
            state.add_step(order_id, step(at_ms, from, to, Kind::Redrive, "redrive"));
            if let Some(story) = state.story(order_id) {
                story.pending.insert(event_id);
            }
        });
    }

    /// The order that a request with this trace is about.
    pub(crate) fn order_of(&self, trace: &str) -> Option<String> {
        self.state().traces.get(&trace.to_owned()).cloned()
    }

    /// Marks processes of a function that a button has stopped, or lets go on.
    pub(crate) fn mark(&self, function: &str, pids: &[u32], is_stopped: bool) {
        let now_ms = self.now_ms();
        self.change(|state| state.mark(function, pids, is_stopped, now_ms));
    }

    /// Resolves after the next change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// Whether somebody looks.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.revision.receiver_count() > 0
    }

    /// Makes everybody who looks look again.
    pub(crate) fn touch(&self) {
        self.0.revision.send_modify(|revision| *revision += 1);
    }

    fn now_ms(&self) -> f64 {
        self.at_ms(Instant::now())
    }

    fn at_ms(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.0.started).as_secs_f64() * 1_000.0
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.touch();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Feed {
    fn call(&self, function: &str, call: &TableCall) {
        let (at_ms, now_ms) = (self.at_ms(call.at), self.now_ms());
        self.change(|state| state.called(function, call, at_ms, now_ms));
    }

    fn frame(&self, function: &str, passage: &Passage) {
        let now_ms = self.now_ms();
        let mut state = self.state();
        if state.passed(function, passage, now_ms) {
            drop(state);
            self.touch();
        }
    }
}

impl ProcessObserver for Feed {
    fn process(&self, function: &str, pid: u32, change: &ProcessChange) {
        let now_ms = self.now_ms();
        self.change(|state| state.process_changed(function, pid, change, now_ms));
    }
}

impl Half {
    /// After an end that the broker accepted.
    fn ended(is_commit: bool) -> Self {
        if is_commit { Self::Committed } else { Self::RolledBack }
    }
}

#[cfg(test)]
mod tests;
