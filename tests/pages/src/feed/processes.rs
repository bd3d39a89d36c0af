//! The processes of the functions, and the requests that they serve.

use std::collections::BTreeMap;
use std::time::Duration;

use local_lambda::ProcessChange;
use serde::Serialize;
use serde_json::Value;

use super::frames::trace_in;
use super::{Kill, State, step};
use crate::step::{Kind, Lane, Outcome};
use crate::story::NewStep;

/// How long a process is shown after its end, in milliseconds.
const SHOWN_AFTER_END_MS: f64 = 20_000.0;

/// How many ended processes are kept for each function.
const ENDED_MAX: usize = 3;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Activity {
    /// It starts: a cold start.
    Starting,
    /// It serves a request.
    Busy,
    /// It waits, frozen.
    Frozen,
    /// It waits, and is not frozen.
    Idle,
    /// A button has stopped it in the middle of its request.
    Stopped,
    /// It is gone.
    Ended,
}

/// A process of a function.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) activity: Activity,
    /// When that began, since the console started.
    pub(crate) since_ms: f64,
    /// What it serves or served last, such as `POST /v1/orders`.
    pub(crate) what: String,
    /// How many requests it got.
    pub(crate) requests: u64,
    /// How long its start took.
    pub(crate) cold_start_ms: Option<f64>,
    /// How long its last request took.
    pub(crate) last_ms: Option<f64>,
    /// Why it ended.
    pub(crate) reason: Option<String>,
    /// Whether a button killed it.
    is_killed: bool,
    /// Of the request that it serves.
    #[serde(skip)]
    trace: Option<String>,
    #[serde(skip)]
    request: Option<Request>,
}

/// A request of a client.
#[derive(Debug, Clone)]
pub(super) struct Request {
    at_ms: f64,
    lane: Lane,
    kind: Kind,
    label: String,
    trace: Option<String>,
    /// Once it is known.
    order_id: Option<String>,
}

impl From<Request> for NewStep {
    fn from(request: Request) -> Self {
        step(request.at_ms, Lane::Client, request.lane, request.kind, request.label)
    }
}

#[derive(Default)]
pub(super) struct Processes(BTreeMap<String, Vec<Process>>);

impl Processes {
    /// The processes of each function, without those that ended long ago.
    pub(super) fn shown(&self, now_ms: f64) -> BTreeMap<&str, Vec<&Process>> {
        let is_shown = |process: &&Process| {
            let is_over = now_ms - process.since_ms > SHOWN_AFTER_END_MS;
            process.activity != Activity::Ended || !is_over
        };
        let functions = self.0.iter();
        functions
            .map(|(name, all)| (name.as_str(), all.iter().filter(is_shown).collect()))
            .collect()
    }

    /// The process that serves the request with this trace.
    pub(super) fn serving(&self, trace: &str) -> Option<u32> {
        let serves = |process: &&Process| process.trace.as_deref() == Some(trace);
        self.0.values().flatten().find(serves).map(|process| process.pid)
    }

    /// The request with this trace, if its order was not known before.
    pub(super) fn take_request(&mut self, trace: &str, order_id: &str) -> Option<Request> {
        let requests = self.0.values_mut().flatten().filter_map(|one| one.request.as_mut());
        let mut unknown = requests.filter(|request| request.order_id.is_none());
        let request = unknown.find(|request| request.trace.as_deref() == Some(trace))?;
        request.order_id = Some(order_id.to_owned());
        Some(request.clone())
    }

    fn of(&mut self, function: &str, pid: u32, now_ms: f64) -> Option<&mut Process> {
        let all = self.0.entry(function.to_owned()).or_default();
        if !all.iter().any(|process| process.pid == pid) {
            let ended = all.iter().filter(|process| process.activity == Activity::Ended).count();
            if ended > ENDED_MAX
                && let Some(oldest) = all.iter().position(|one| one.activity == Activity::Ended)
            {
                all.remove(oldest);
            }
            all.push(Process {
                pid,
                activity: Activity::Starting,
                since_ms: now_ms,
                what: "starts".to_owned(),
                requests: 0,
                cold_start_ms: None,
                last_ms: None,
                reason: None,
                is_killed: false,
                trace: None,
                request: None,
            });
        }
        all.iter_mut().rfind(|process| process.pid == pid)
    }
}

/// A client's request in an event, if the function takes part in the protocol.
fn request_in(function: &str, event: &Value, at_ms: f64) -> Option<Request> {
    let lane = Lane::of_function(function)?;
    let route = event.get("routeKey")?.as_str()?;
    let kind = match lane {
        Lane::CreateOrder => Kind::Request,
        Lane::CancelOrder => Kind::CancelRequest,
        _ => return None,
    };
    let label = route.replace("/{order_id}", "/…");
    Some(Request { at_ms, lane, kind, label, trace: trace_of(event), order_id: None })
}

fn trace_of(event: &Value) -> Option<String> {
    event.pointer("/headers/traceparent").and_then(Value::as_str).and_then(trace_in)
}

fn what_of(event: &Value) -> String {
    match event.get("routeKey").and_then(Value::as_str) {
        Some(route) => route.to_owned(),
        None => "its window".to_owned(),
    }
}

/// The status and the order in the answer of a function behind the API.
fn answer_in(payload: &[u8]) -> Option<(u64, Option<String>)> {
    let answer: Value = serde_json::from_slice(payload).ok()?;
    let status = answer.get("statusCode")?.as_u64()?;
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let order_id = body.get("order_id").and_then(Value::as_str).map(str::to_owned);
    Some((status, order_id))
}

fn in_words(status: u64) -> &'static str {
    match status {
        200 => "200 OK",
        201 => "201 Created",
        401 => "401 Unauthorized",
        404 => "404 Not Found",
        409 => "409 Conflict",
        422 => "422 Refused",
        503 => "503 Try again",
        _ => "an error",
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

impl State {
    pub(super) fn process_changed(
        &mut self,
        function: &str,
        pid: u32,
        change: &ProcessChange,
        now_ms: f64,
    ) {
        let Some(process) = self.processes.of(function, pid, now_ms) else { return };
        let is_new_activity = |process: &mut Process, activity| {
            process.activity = activity;
            process.since_ms = now_ms;
        };
        match change {
            ProcessChange::Started => is_new_activity(process, Activity::Starting),
            ProcessChange::Invoked { payload } => {
                let event: Value = serde_json::from_slice(payload).unwrap_or_default();
                process.requests += 1;
                process.what = what_of(&event);
                process.trace = trace_of(&event);
                process.request = request_in(function, &event, now_ms);
                if process.requests > 1 {
                    is_new_activity(process, Activity::Busy);
                }
                let order_id = event.pointer("/pathParameters/order_id").and_then(Value::as_str);
                let is_cancel = Lane::of_function(function) == Some(Lane::CancelOrder);
                if let (Some(order_id), Some(request), true) =
                    (order_id, process.request.as_mut(), is_cancel)
                {
                    request.order_id = Some(order_id.to_owned());
                    let request = request.clone();
                    self.add_step(order_id, request.into());
                }
            }
            ProcessChange::Initialised { init } => {
                process.cold_start_ms = Some(milliseconds(*init));
                is_new_activity(process, Activity::Busy);
            }
            ProcessChange::Answered { payload, is_error, duration } => {
                process.last_ms = Some(milliseconds(*duration));
                process.trace = None;
                let request = process.request.take();
                if let Some(request) = request {
                    self.answered_client(request, payload, *is_error, now_ms);
                }
            }
            ProcessChange::Waits { is_frozen } => {
                let activity = if *is_frozen { Activity::Frozen } else { Activity::Idle };
                is_new_activity(process, activity);
            }
            ProcessChange::Ended { reason } => {
                is_new_activity(process, Activity::Ended);
                process.trace = None;
                process.reason = Some(reason.clone());
                if let Some(request) = process.request.take()
                    && let Some(order_id) = request.order_id
                {
                    let (from, to) = (request.lane, Lane::Client);
                    self.add_step(
                        &order_id,
                        step(now_ms, from, to, Kind::NoAnswer, "500, no answer"),
                    );
                }
                self.note(now_ms, format!("process {pid} of {function} has ended: {reason}"));
            }
        }
    }

    fn answered_client(
        &mut self,
        mut request: Request,
        payload: &[u8],
        is_error: bool,
        now_ms: f64,
    ) {
        let Some((status, named)) = answer_in(payload) else { return };
        let order_id = match (request.order_id.take(), named) {
            (Some(order_id), _) => order_id,
            // A request without a trace: only the answer says which order it was about.
            (None, Some(order_id)) => {
                self.add_step(&order_id, request.clone().into());
                order_id
            }
            (None, None) => return,
        };
        let mut answer = step(now_ms, request.lane, Lane::Client, Kind::Answer, in_words(status));
        answer.took_ms = Some(now_ms - request.at_ms);
        if is_error || status >= 400 {
            answer.outcome = Outcome::Failed;
        }
        self.add_step(&order_id, answer);
    }

    /// Adds that a button kills processes.
    pub(super) fn killed(&mut self, kill: &Kill<'_>, now_ms: f64) {
        let Kill { function, pids, before, order } = kill;
        let label = before.map_or_else(|| "killed".to_owned(), |w| format!("killed before {w}"));
        for pid in *pids {
            if let Some(process) = self.processes.of(function, *pid, now_ms) {
                process.is_killed = true;
            }
            self.counts.killed += 1;
            self.note(now_ms, format!("{function} (process {pid}) was {label}"));
        }
        let Some((order_id, trace)) = order else { return };
        self.traces.put((*trace).to_owned(), (*order_id).to_owned());
        self.add_request(trace, order_id);
        if let Some(lane) = Lane::of_function(function) {
            self.add_step(order_id, step(now_ms, lane, lane, Kind::Killed, label));
        }
        if let Some(story) = self.story(order_id) {
            story.killed = Some((*function).to_owned());
        }
    }

    /// Marks processes that a button has stopped, or lets go on.
    pub(super) fn mark(&mut self, function: &str, pids: &[u32], is_stopped: bool, now_ms: f64) {
        for pid in pids {
            if let Some(process) = self.processes.of(function, *pid, now_ms)
                && process.activity != Activity::Ended
            {
                process.activity = if is_stopped { Activity::Stopped } else { Activity::Busy };
                process.since_ms = now_ms;
            }
        }
    }
}
