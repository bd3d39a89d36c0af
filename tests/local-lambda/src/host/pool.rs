//! The instances of one function, and the requests that wait for one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::instance::Instance;
use super::observer::{FunctionObserver, ProcessChange};
use super::outcome::{Failure, InvokeResult};
use super::sink::OutputStream;
use super::{HostOptions, InstanceInfo};
use crate::entropy;
use crate::process::Children;
use crate::tasks::Tasks;
use crate::template::FunctionSpec;

pub(super) struct Pool {
    function: FunctionSpec,
    binary: PathBuf,
    options: Arc<HostOptions>,
    children: Children,
    tasks: Arc<Tasks>,
    observer: Option<FunctionObserver>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Instances without a request. The most recently used one is last, and is used next.
    idle: Vec<Instance>,
    /// Process ids, in the order of their start.
    busy: Vec<u32>,
    /// Tasks that have an instance, or are starting one.
    drivers: usize,
    /// How many of the busy instances have answered, but not yet asked for their next event.
    returning: usize,
    waiting: VecDeque<Job>,
    /// All requests so far.
    accepted: u64,
    closed: bool,
}

struct Job {
    payload: Bytes,
    reply: oneshot::Sender<InvokeResult>,
}

impl Pool {
    pub(super) fn new(
        function: FunctionSpec,
        binary: PathBuf,
        options: &Arc<HostOptions>,
        children: &Children,
        tasks: &Arc<Tasks>,
    ) -> Arc<Self> {
        let observer = options.observer.clone();
        let observer =
            observer.map(|observer| FunctionObserver { observer, function: function.name.clone() });
        Arc::new(Self {
            observer,
            function,
            binary,
            options: options.clone(),
            children: children.clone(),
            tasks: tasks.clone(),
            state: Mutex::default(),
        })
    }

    /// Accepts a request. The receiver fails if the pool is closed before there is a result.
    pub(super) fn submit(self: &Arc<Self>, payload: Bytes) -> oneshot::Receiver<InvokeResult> {
        let (reply, result) = oneshot::channel();
        let job = Job { payload, reply };
        let mut state = self.state();
        if state.closed {
            return result;
        }
        state.accepted += 1;
        self.forget_ended(&mut state);
        let instance = state.idle.pop();
        // An instance that has answered is free within microseconds. On AWS the answer takes longer
        // to reach the caller, so a caller's next request never finds the instance busy.
        let soon = state.waiting.len() < state.returning;
        if instance.is_none() && (soon || state.drivers >= self.options.instances_max) {
            state.waiting.push_back(job);
            return result;
        }
        state.drivers += 1;
        state.busy.extend(instance.as_ref().map(Instance::pid));
        drop(state);
        self.tasks.spawn(self.clone().drive(instance, job));
        result
    }

    pub(super) fn instances(&self) -> Vec<InstanceInfo> {
        let mut state = self.state();
        self.forget_ended(&mut state);
        let busy = state.busy.iter().map(|pid| InstanceInfo { pid: *pid, busy: true });
        let idle = state.idle.iter().map(|idle| InstanceInfo { pid: idle.pid(), busy: false });
        busy.chain(idle).collect()
    }

    pub(super) fn accepted(&self) -> u64 {
        self.state().accepted
    }

    /// Accepts no more requests, and drops those that wait.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
    }

    /// Kills the idle instances, also those that aborted drivers leave.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.idle.clear();
        state.busy.clear();
    }

    /// Removes the idle instances that have been killed.
    fn forget_ended(&self, state: &mut State) {
        state.idle.retain_mut(|instance| {
            let has_ended = instance.has_ended();
            if has_ended {
                let reason = "it was killed while it waited".to_owned();
                self.observe(instance.pid(), &ProcessChange::Ended { reason });
            }
            !has_ended
        });
    }

    fn observe(&self, pid: u32, change: &ProcessChange) {
        if let Some(observer) = &self.observer {
            observer.process(pid, change);
        }
    }

    /// Serves requests with one instance until none waits.
    async fn drive(self: Arc<Self>, mut instance: Option<Instance>, mut job: Job) {
        loop {
            let request_id = entropy::request_id();
            instance = match self.serve(instance, job, &request_id).await {
                Ok(instance) => Some(instance),
                Err(failure) => {
                    self.remark(&request_id, &failure);
                    None
                }
            };
            let mut state = self.state();
            if let Some(next) = state.waiting.pop_front() {
                job = next;
                continue;
            }
            state.drivers -= 1;
            if let Some(mut instance) = instance {
                let pid = instance.pid();
                state.busy.retain(|busy| *busy != pid);
                if self.options.freeze && !state.closed {
                    instance.freeze();
                }
                self.observe(pid, &ProcessChange::Waits { is_frozen: instance.is_frozen() });
                state.idle.push(instance);
            }
            return;
        }
    }

    /// Serves one request. Returns the instance if it is ready for the next one.
    async fn serve(
        &self,
        instance: Option<Instance>,
        job: Job,
        request_id: &str,
    ) -> Result<Instance, Failure> {
        let begun = Instant::now();
        let result = |payload, error: bool, init, duration| InvokeResult {
            request_id: request_id.to_owned(),
            payload,
            function_error: error.then(|| "Unhandled".to_owned()),
            init,
            duration,
        };
        let instance = match instance {
            Some(instance) => Ok(instance),
            None => self.start().await,
        };
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(failure) => {
                let payload = failure.payload(request_id);
                self.reply(job, result(payload, true, None, begun.elapsed()));
                return Err(failure);
            }
        };
        let pid = instance.pid();
        let lost = |failure: Failure| {
            self.state().busy.retain(|busy| *busy != pid);
            self.observe(pid, &ProcessChange::Ended { reason: failure.reason() });
            failure
        };
        self.observe(pid, &ProcessChange::Invoked { payload: job.payload.clone() });
        match instance.request(&self.function, request_id, job.payload.clone()).await {
            Ok(answer) => {
                let (payload, error) = match answer.outcome {
                    Ok(payload) => (payload, false),
                    Err(payload) => (payload, true),
                };
                self.observe(
                    pid,
                    &ProcessChange::Answered {
                        payload: payload.clone(),
                        is_error: error,
                        duration: answer.duration,
                    },
                );
                self.state().returning += 1;
                self.reply(job, result(payload, error, answer.init, answer.duration));
            }
            Err(failure) => {
                let payload = failure.payload(request_id);
                // The instance is removed before the answer is sent, so a caller with the answer
                // never finds it.
                let failure = lost(failure);
                instance.end().await;
                self.reply(job, result(payload, true, None, begun.elapsed()));
                return Err(failure);
            }
        }
        let ready = instance.ready(self.function.timeout).await;
        self.state().returning -= 1;
        match ready {
            Ok(()) => Ok(instance),
            Err(failure) => {
                let failure = lost(failure);
                instance.end().await;
                Err(failure)
            }
        }
    }

    async fn start(&self) -> Result<Instance, Failure> {
        let observer = self.observer.clone();
        let start = Instance::start(&self.function, &self.binary, &self.options, &self.children);
        let instance = start.await.map_err(Failure::Start)?.observed(observer);
        self.state().busy.push(instance.pid());
        self.observe(instance.pid(), &ProcessChange::Started);
        Ok(instance)
    }

    /// Sends the result. The caller may be gone, which is not an error on Lambda either.
    fn reply(&self, job: Job, result: InvokeResult) {
        if job.reply.send(result).is_err() {
            tracing::debug!(function = self.function.name, "no caller waits for this answer");
        }
    }

    fn remark(&self, request_id: &str, failure: &Failure) {
        if self.state().closed {
            return;
        }
        let payload = failure.payload(request_id);
        let text = format!("host: the instance is lost: {}", String::from_utf8_lossy(&payload));
        self.options.sink.line(&self.function.name, OutputStream::Stderr, &text);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
