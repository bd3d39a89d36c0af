//! The local Lambda host: real function binaries under the Lambda Runtime API.
//!
//! It treats a function as Lambda does. One process serves one request at a time; a process that
//! has answered and asks for its next event is frozen with SIGSTOP until an event comes; a request
//! that takes longer than the function's time-out loses its process to SIGKILL; a process that
//! ends on its own is a function error, and the next request starts another.

mod environment;
mod instance;
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

pub use options::HostOptions;
pub use outcome::{InvokeError, InvokeResult};
pub use sink::{FileSink, LogSink, Stream, WriterSink};

use crate::process::{Children, send};
use crate::tasks::Tasks;
use crate::template::FunctionSpec;
use pool::Pool;

/// The region that the local stack pretends to be in.
pub const REGION: &str = "eu-central-1";
/// The account that the local stack pretends to be in.
pub const ACCOUNT_ID: &str = "000000000000";

/// The running host. Clones are handles to the same one.
#[derive(Clone)]
pub struct LambdaHost(Arc<Inner>);

struct Inner {
    pools: BTreeMap<String, Arc<Pool>>,
    tasks: Arc<Tasks>,
}

/// One process of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceInfo {
    /// The process id.
    pub pid: u32,
    /// Whether it has a request, or is still starting for one.
    pub busy: bool,
}

impl LambdaHost {
    /// A host for `functions`; processes start with their first request.
    ///
    /// # Errors
    /// When a function's binary is missing, naming it and the command that builds it.
    pub fn start(
        functions: &[FunctionSpec],
        options: HostOptions,
        children: &Children,
    ) -> anyhow::Result<Self> {
        let options = Arc::new(options);
        let tasks = Arc::new(Tasks::default());
        let mut pools = BTreeMap::new();
        for function in functions {
            let own = || options.binaries.join(&function.name);
            let binary = options.stand_ins.get(&function.name).cloned().unwrap_or_else(own);
            anyhow::ensure!(
                binary.is_file(),
                "there is no binary {}: build it with `cargo build -p {}`",
                binary.display(),
                function.name
            );
            let pool = Pool::new(function.clone(), binary, &options, children, &tasks);
            pools.insert(function.name.clone(), pool);
        }
        Ok(Self(Arc::new(Inner { pools, tasks })))
    }

    /// Invokes a function with an event and waits for what it returns, however long it takes (its
    /// time-out is the limit). Dropping the future does not end the request, as on Lambda.
    ///
    /// # Errors
    /// When there is no such function, or the host stops. What goes wrong inside the function is a
    /// result with [`InvokeResult::function_error`].
    pub async fn invoke(
        &self,
        function: &str,
        event: impl Into<Bytes>,
    ) -> Result<InvokeResult, InvokeError> {
        let pool = self.pool(function)?;
        pool.submit(event.into()).await.map_err(|_| InvokeError::Stopped)
    }

    /// The processes of a function that are alive now, in the order in which they started.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn instances(&self, function: &str) -> Result<Vec<InstanceInfo>, InvokeError> {
        Ok(self.pool(function)?.instances())
    }

    /// Kills one instance with SIGKILL, as a crash would; it does nothing when `pid` is not a live
    /// instance of `function`.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn kill_instance(&self, function: &str, pid: u32) -> Result<(), InvokeError> {
        self.signal_instance(function, pid, Signal::SIGKILL)
    }

    /// Sends one instance a signal, such as SIGSTOP in the midst of a request; it does nothing when
    /// `pid` is not a live instance of `function`.
    ///
    /// # Errors
    /// When there is no such function.
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

    /// Ends every instance of every function; requests under way are lost.
    pub async fn stop(&self) {
        for pool in self.0.pools.values() {
            pool.close();
        }
        // The pools are closed, so no further process can start while these are told to end.
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
        tracing::debug!(ended, "the functions were asked to end");
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
