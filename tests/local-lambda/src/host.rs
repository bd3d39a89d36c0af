//! The Lambda host: real function binaries under the Lambda Runtime API.

mod environment;
mod instance;
mod observer;
mod options;
mod outcome;
mod pool;
mod runtime_api;
mod sink;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub use nix::sys::signal::Signal;

pub use observer::{ProcessChange, ProcessObserver};
pub use options::HostOptions;
pub use outcome::{InvokeError, InvokeResult};
pub use sink::{FileSink, LogSink, OutputStream, WriterSink};

use crate::process::{Children, send};
use crate::tasks::Tasks;
use crate::template::FunctionSpec;
use pool::Pool;

pub const REGION: &str = "eu-central-1";
pub const ACCOUNT_ID: &str = "000000000000";

/// Runs real function binaries under the Lambda Runtime API. Clones are handles to the same host.
///
/// The host treats a function as Lambda does. One process serves one request at a time. A process
/// that has answered and asks for its next event is frozen with SIGSTOP until an event comes. If a
/// request takes longer than the function's timeout, its process is killed with SIGKILL. A process
/// that ends by itself is a function error, and the next request starts another one.
#[derive(Clone)]
pub struct LambdaHost(Arc<Inner>);

struct Inner {
    pools: BTreeMap<String, Arc<Pool>>,
    tasks: Arc<Tasks>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceInfo {
    pub pid: u32,
    /// Whether it serves a request, or is starting for one.
    pub busy: bool,
}

impl LambdaHost {
    /// Processes start with their first request.
    ///
    /// # Errors
    /// When a function's binary is missing (the error names it and the command that builds it), or
    /// relative paths have no current folder to begin at.
    pub fn start(
        functions: &[FunctionSpec],
        mut options: HostOptions,
        children: &Children,
    ) -> anyhow::Result<Self> {
        // A process starts in the folder of binaries, where a relative path would point elsewhere.
        options.binaries = std::path::absolute(&options.binaries)?;
        let options = Arc::new(options);
        let tasks = Arc::new(Tasks::default());
        let mut pools = BTreeMap::new();
        for function in functions {
            let built = || options.binaries.join(&function.name);
            let binary = options.stand_ins.get(&function.name).map_or_else(built, Clone::clone);
            let binary = std::path::absolute(binary)?;
            anyhow::ensure!(
                binary.is_file(),
                "the binary {} is missing: build it with `cargo build --bin {}`",
                binary.display(),
                function.name
            );
            let pool = Pool::new(function.clone(), binary, &options, children, &tasks);
            pools.insert(function.name.clone(), pool);
        }
        Ok(Self(Arc::new(Inner { pools, tasks })))
    }

    /// Invokes a function with an event and waits for the result; the function's timeout is the
    /// only limit. Dropping the future does not end the request, as on Lambda.
    ///
    /// # Errors
    /// When the function does not exist, or the host stops. A failure inside the function is a
    /// result with [`InvokeResult::function_error`].
    pub async fn invoke(
        &self,
        function: &str,
        event: impl Into<Bytes>,
    ) -> Result<InvokeResult, InvokeError> {
        let pool = self.pool(function)?;
        pool.submit(event.into()).await.map_err(|_| InvokeError::Stopped)
    }

    /// How often a function was invoked so far, also in vain, as Lambda's metric `Invocations`
    /// counts it.
    ///
    /// # Errors
    /// When the function does not exist.
    pub fn invocations(&self, function: &str) -> Result<u64, InvokeError> {
        Ok(self.pool(function)?.accepted())
    }

    /// The live processes of a function, in the order of their start.
    ///
    /// # Errors
    /// When the function does not exist.
    pub fn instances(&self, function: &str) -> Result<Vec<InstanceInfo>, InvokeError> {
        Ok(self.pool(function)?.instances())
    }

    /// Kills one instance with SIGKILL, like a crash. Does nothing if `pid` is not a live instance
    /// of `function`.
    ///
    /// # Errors
    /// When the function does not exist.
    pub fn kill_instance(&self, function: &str, pid: u32) -> Result<(), InvokeError> {
        self.signal_instance(function, pid, Signal::SIGKILL)
    }

    /// Sends one instance a signal, such as SIGSTOP during a request. Does nothing if `pid` is not
    /// a live instance of `function`.
    ///
    /// # Errors
    /// When the function does not exist.
    pub fn signal_instance(
        &self,
        function: &str,
        pid: u32,
        signal: Signal,
    ) -> Result<(), InvokeError> {
        if self.pool(function)?.instances().iter().any(|instance| instance.pid == pid) {
            send(pid, signal);
        }
        Ok(())
    }

    /// Ends every instance of every function; running requests are lost.
    pub async fn stop(&self) {
        for pool in self.0.pools.values() {
            pool.close();
        }
        // The pools are closed, so no further process starts while these end.
        let pids: Vec<u32> = self.all_pids();
        for pid in &pids {
            send(*pid, Signal::SIGCONT);
            send(*pid, Signal::SIGTERM);
        }
        let polite = async {
            while !self.all_pids().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // Lambda gives 500 ms between SIGTERM and SIGKILL to a function with an extension.
        let ended = tokio::time::timeout(Duration::from_millis(500), polite).await.is_ok();
        tracing::debug!(ended, "the functions got SIGTERM");
        for pid in self.all_pids() {
            send(pid, Signal::SIGKILL);
        }
        self.0.tasks.abort();
        for pool in self.0.pools.values() {
            pool.clear();
        }
    }

    fn all_pids(&self) -> Vec<u32> {
        self.0
            .pools
            .values()
            .flat_map(|pool| pool.instances())
            .map(|instance| instance.pid)
            .collect()
    }

    fn pool(&self, function: &str) -> Result<&Arc<Pool>, InvokeError> {
        self.0.pools.get(function).ok_or_else(|| InvokeError::UnknownFunction(function.to_owned()))
    }
}
