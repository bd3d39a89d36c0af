//! Handles for raw requests, so that requests don't wait for each other.
//!
//! A `ClientInstanceHandle` runs its calls one after another: behind a long poll, an
//! acknowledgement would wait for seconds. The lock is the handle's, not the connection's: several
//! handles of one domain share a client instance with its connections (rocketmq-client-rust 1.0.0,
//! `lib.rs`). So each call borrows a separate handle and returns it.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use application::outcome::Failure;
use rocketmq_client_rust::{
    ClientConfig, ClientInstanceHandle, ClientResult, ClientRpcHook, ClientRuntime,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::fault::{Missing, client_failure, unavailable};

/// How many calls may run at once; further ones wait. This bounds memory, not throughput: 128 calls
/// of 1 ms each are 128,000 a second.
const LANES_MAX: usize = 128;

/// The domain of our handles. One is enough, because our instances have different names.
pub(crate) const DOMAIN: u64 = 1;

/// The handles of one client instance.
pub(crate) struct Lanes {
    runtime: Arc<ClientRuntime>,
    config: ClientConfig,
    hook: Option<Arc<ClientRpcHook>>,
    /// The handles that no call uses now.
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

    /// A handle that no other call uses until it is dropped.
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

    /// Shuts all unused handles down. The client instance ends with its last handle.
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

/// A borrowed handle. Dropping it returns the handle.
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
