//! Handles for raw requests, so that requests don't wait for each other.
//!
//! A `ClientInstanceHandle` runs its calls one after another: behind a long poll, an
//! acknowledgement would wait for seconds. The lock is the handle's, not the connection's: several
//! handles of one domain share a client instance with its connections (rocketmq-client-rust 1.0.0,
//! `lib.rs`). So each call takes a handle of its own and gives it back.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use application::outcome::Failure;
use rocketmq_client_rust::{
    ClientConfig, ClientInstanceHandle, ClientResult, ClientRpcHook, ClientRuntime,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::fault::{Missing, client_failure, unavailable};

/// How many calls may be under way at once; further ones wait. It bounds memory, not throughput:
/// 128 calls of 1 ms each are 128,000 a second.
const LANES_MAX: usize = 128;

/// Which domain our handles belong to. One is enough, as our instances have names of their own.
pub(crate) const DOMAIN: u64 = 1;

/// The handles of one client instance.
pub(crate) struct Lanes {
    runtime: Arc<ClientRuntime>,
    config: ClientConfig,
    hook: Option<Arc<ClientRpcHook>>,
    /// Those that nobody uses.
    free: Mutex<Vec<Arc<ClientInstanceHandle>>>,
    permits: Semaphore,
}

impl Lanes {
    pub(crate) fn new(
        runtime: Arc<ClientRuntime>,
        config: ClientConfig,
        hook: Option<Arc<ClientRpcHook>>,
    ) -> Self {
        let permits = Semaphore::new(LANES_MAX);
        Self { runtime, config, hook, free: Mutex::new(Vec::new()), permits }
    }

    /// A handle that nobody else uses, as long as it is kept.
    pub(crate) async fn take(&self) -> Result<Lane<'_>, Failure> {
        let permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| unavailable(Missing("the session was closed".to_owned())))?;
        let spare = self.free().pop();
        let handle = match spare {
            Some(handle) => handle,
            None => Arc::new(self.another().map_err(client_failure)?),
        };
        Ok(Lane { lanes: self, handle, _permit: permit })
    }

    fn another(&self) -> ClientResult<ClientInstanceHandle> {
        let (config, hook) = (self.config.clone(), self.hook.clone());
        ClientInstanceHandle::get_or_create(&self.runtime, DOMAIN, config, hook)
    }

    /// Lets go of all handles; with the last one the client instance ends.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let handles = std::mem::take(&mut *self.free());
        for handle in handles {
            Box::pin(handle.shutdown_owned()).await;
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Arc<ClientInstanceHandle>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle of one's own. Its drop gives it back.
pub(crate) struct Lane<'a> {
    lanes: &'a Lanes,
    handle: Arc<ClientInstanceHandle>,
    _permit: SemaphorePermit<'a>,
}

impl Deref for Lane<'_> {
    type Target = ClientInstanceHandle;

    fn deref(&self) -> &ClientInstanceHandle {
        &self.handle
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.free().push(Arc::clone(&self.handle));
    }
}
