//! One process of a function, and its events and answers.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::Signal as Unix;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use super::observer::{FunctionObserver, ProcessChange};
use super::outcome::Failure;
use super::runtime_api::{Event, RuntimeApi, Signal};
use super::sink::{LogSink, OutputStream};
use super::{ACCOUNT_ID, HostOptions, REGION, environment};
use crate::process::{Child, Children};
use crate::tasks::Tasks;
use crate::template::FunctionSpec;
use crate::{entropy, wall_clock};

/// Lambda's limit for the initialisation of a process. Longer initialisation counts as part of the
/// request.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// For the last output of a process that has ended.
const LAST_OUTPUT_LIMIT: Duration = Duration::from_millis(500);

/// A live process with one owner; dropping it kills the process.
pub(super) struct Instance {
    process: Child,
    api: RuntimeApi,
    started: Instant,
    /// The time until it asked for its first event; `None` until then.
    init: Option<Duration>,
    frozen: bool,
    /// How far the process's wall clock is ahead. Lambda gives deadlines by that clock.
    clock_offset_ms: i64,
    observer: Option<FunctionObserver>,
    /// Copies the process's output to the sink while this value lives.
    output: Tasks,
    /// Deleted with the process.
    _temporary: TempDir,
}

/// A request's answer, and how long the function took.
pub(super) struct Answer {
    pub(super) outcome: Result<Bytes, Bytes>,
    pub(super) init: Option<Duration>,
    pub(super) duration: Duration,
}

impl Instance {
    pub(super) async fn start(
        function: &FunctionSpec,
        binary: &Path,
        options: &HostOptions,
        children: &Children,
    ) -> std::io::Result<Self> {
        let api = RuntimeApi::open().await?;
        let log_stream = format!("local/[$LATEST]{}", api.address.port());
        let temporary =
            tempfile::Builder::new().prefix("lambda-").tempdir_in(&options.temporary)?;
        let variables =
            environment::variables(function, options, api.address, &log_stream, temporary.path());
        let clock_offset_ms =
            options.clock_offsets_ms.get(&function.name).copied().unwrap_or_default();
        let mut command = Command::new(binary);
        command.env_clear().envs(variables).current_dir(&options.binaries);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut process = children.spawn(&mut command)?;
        let output = Tasks::default();
        if let Some(pipe) = process.inner_mut().stdout.take() {
            output.spawn(copy(
                pipe,
                function.name.clone(),
                OutputStream::Stdout,
                options.sink.clone(),
            ));
        }
        if let Some(pipe) = process.inner_mut().stderr.take() {
            output.spawn(copy(
                pipe,
                function.name.clone(),
                OutputStream::Stderr,
                options.sink.clone(),
            ));
        }
        let (init, frozen, observer) = (None, false, None);
        Ok(Self {
            process,
            api,
            started,
            init,
            frozen,
            clock_offset_ms,
            observer,
            output,
            _temporary: temporary,
        })
    }

    pub(super) fn observed(self, observer: Option<FunctionObserver>) -> Self {
        Self { observer, ..self }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the process has ended since its last use.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.exit_status().is_some()
    }

    pub(super) fn freeze(&mut self) {
        self.process.signal(Unix::SIGSTOP);
        self.frozen = true;
    }

    pub(super) const fn is_frozen(&self) -> bool {
        self.frozen
    }

    fn thaw(&mut self) {
        if std::mem::take(&mut self.frozen) {
            self.process.signal(Unix::SIGCONT);
        }
    }

    /// Sends `payload` as an event and waits for the answer, the end of the process, or the
    /// timeout.
    pub(super) async fn request(
        &mut self,
        function: &FunctionSpec,
        request_id: &str,
        payload: Bytes,
    ) -> Result<Answer, Failure> {
        let first = self.init.is_none();
        let deadline = if first {
            self.initialise(function.timeout).await?
        } else {
            Instant::now() + function.timeout
        };
        self.thaw();
        let handed_over = Instant::now();
        let now = wall_clock::since_epoch_by(self.clock_offset_ms);
        let remaining = deadline.saturating_duration_since(handed_over);
        let event = Event {
            request_id: request_id.to_owned(),
            deadline_ms: (now + remaining).as_millis(),
            function_arn: format!(
                "arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{}",
                function.name
            ),
            trace_header: entropy::trace_header(now),
            payload,
        };
        // The channel has room for one event, and the process received the previous one before it
        // answered.
        if self.api.events.try_send(event).is_err() {
            return Err(Failure::Exited(self.process.exit_status()));
        }
        let outcome = self.answer(request_id, deadline, function.timeout).await?;
        let init = if first { self.init } else { None };
        Ok(Answer { outcome, init, duration: handed_over.elapsed() })
    }

    /// Waits until the process asks for its first event, and returns the deadline of that event.
    async fn initialise(&mut self, timeout: Duration) -> Result<Instant, Failure> {
        let limit = self.started + INIT_LIMIT + timeout;
        match self.signal_until(limit, timeout).await? {
            Signal::InitError(body) => Err(Failure::Reported(body)),
            _ => {
                let init = self.started.elapsed();
                self.init = Some(init);
                if let Some(observer) = &self.observer {
                    observer.process(self.pid(), &ProcessChange::Initialised { init });
                }
                Ok(limit.min(Instant::now() + timeout))
            }
        }
    }

    async fn answer(
        &mut self,
        expected: &str,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Result<Bytes, Bytes>, Failure> {
        loop {
            match self.signal_until(deadline, timeout).await? {
                Signal::Answer { request_id, payload } if request_id == expected => {
                    return Ok(Ok(payload));
                }
                Signal::Error { request_id, payload } if request_id == expected => {
                    return Ok(Err(payload));
                }
                Signal::InitError(body) => return Err(Failure::Reported(body)),
                // A request for an event repeated after a thaw, or an answer to an earlier event.
                _ => {}
            }
        }
    }

    /// Waits until the process asks for its next event, which is when Lambda would freeze it.
    pub(super) async fn ready(&mut self, timeout: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + timeout;
        while !matches!(self.signal_until(deadline, timeout).await?, Signal::Next) {}
        Ok(())
    }

    /// The last output explains most failures.
    pub(super) async fn end(mut self) {
        self.process.kill().await;
        if tokio::time::timeout(LAST_OUTPUT_LIMIT, self.output.finish()).await.is_err() {
            tracing::debug!(pid = self.pid(), "a grandchild holds the output open");
        }
    }

    /// The next signal of the process. At the deadline the process is killed.
    async fn signal_until(
        &mut self,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Signal, Failure> {
        let heard = async {
            tokio::select! {
                // Signals from before the end count.
                biased;
                signal = self.api.signals.recv() => signal.ok_or(Failure::Exited(None)),
                status = self.process.wait() => Err(Failure::Exited(status.ok())),
            }
        };
        match timeout_at(deadline, heard).await {
            Ok(heard) => heard,
            Err(_) => {
                self.process.kill().await;
                Err(Failure::TimedOut(timeout))
            }
        }
    }
}

/// Copies a stream to the sink line by line, until the process closes it.
async fn copy(
    pipe: impl AsyncRead + Unpin,
    function: String,
    stream: OutputStream,
    sink: Arc<dyn LogSink>,
) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(read) = reader.read_until(b'\n', &mut line).await
        && read > 0
    {
        sink.line(&function, stream, String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
