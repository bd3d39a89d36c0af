//! The client's runtime and its shutdown.
//!
//! The client runs on its own tokio runtime and can't use ours (`rocketmq-client-rust` 1.0.0,
//! `runtime.rs`). All adapters of a process share one; the last adapter to shut down ends it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use application::outcome::Cause;
use cheetah_string::CheetahString;
use rocketmq_client_rust::{
    AclClientRPCHook, ClientConfig, ClientRpcHook, ClientRuntime, ClientRuntimeConfig,
    SessionCredentials,
};
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_runtime::{RuntimeConfig, RuntimeOwner, ShutdownDeadline};
use rocketmq_transport::api::TlsConfig;
use secrecy::ExposeSecret;
use tempfile::NamedTempFile;

use crate::config::{RocketmqConfig, TlsCa};
use crate::name_servers::answering;

/// How long the shutdown waits for the client's threads. A connected client needs 3 to 8 ms; one
/// whose broker hangs would take 6 s.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the client waits for a name server's answer.
const NAME_SERVER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the client reads routes again and sends heartbeats to its brokers: the shortest
/// interval that it accepts (`client_config_validation.rs`). Its default of 30 s is most of one of
/// our windows.
pub(crate) const ROUTE_INTERVAL: Duration = Duration::from_secs(10);

/// How many threads the client's tasks share. Each task hands work to the next, so with two threads
/// every call has to wake the other thread: create-order took 1.35 times the floor with two
/// threads, and 1.31 times with one. event-consumer drains equally fast with either.
const THREADS: usize = 1;

/// The client's runtime could not be started: there were no threads or no memory, or the client
/// refused its settings.
#[derive(Debug, thiserror::Error)]
#[error("the RocketMQ client's runtime could not be started")]
pub struct StartError(#[source] Cause);

impl StartError {
    fn because(cause: impl Into<Cause>) -> Self {
        Self(cause.into())
    }
}

/// The client's runtime, shared by the adapters of a process. Cloning it is cheap.
#[derive(Clone)]
pub struct RocketmqClient(Arc<Shared>);

struct Shared {
    config: RocketmqConfig,
    runtime: Arc<ClientRuntime>,
    /// The file with the certificate authority, which the client reads for each connection.
    authority: Option<AuthorityFile>,
    /// Signs requests. Only callers with the same hook share an instance, so there is one hook.
    hook: Option<Arc<ClientRpcHook>>,
    /// The number in the name of the next instance.
    instances: AtomicU64,
    /// The owner of the threads, which must outlive `runtime`. When it is dropped without
    /// [`RocketmqClient::shutdown`], its threads end in the background.
    owner: RuntimeOwner,
    _telemetry: TelemetryRuntimeGuard,
}

impl RocketmqClient {
    /// Starts the client's threads. Nothing is sent yet, so an unreachable cluster is not an error.
    ///
    /// # Errors
    ///
    /// [`StartError`], if there are no threads or there is no memory, or a certificate from the
    /// environment can't be written to a file.
    pub fn start(config: RocketmqConfig) -> Result<Self, StartError> {
        let owner = RuntimeOwner::plan(runtime_config())
            .map_err(|violation| StartError::because(format!("{violation:?}")))?
            .build()
            .map_err(StartError::because)?;
        let telemetry = TelemetryRuntimeGuard::noop();
        let runtime = ClientRuntime::try_new(
            owner.root_context().component("client"),
            ClientRuntimeConfig::default(),
            telemetry.handle(),
        )
        .map_err(|error| StartError::because(error.into_error()))?;
        let authority = config
            .tls_ca
            .as_ref()
            .map(AuthorityFile::new)
            .transpose()
            .map_err(StartError::because)?;
        let hook = signing_hook(&config);
        let instances = AtomicU64::new(0);
        Ok(Self(Arc::new(Shared {
            config,
            authority,
            runtime,
            hook,
            instances,
            owner,
            _telemetry: telemetry,
        })))
    }

    /// The configuration with which the client was started.
    pub fn config(&self) -> &RocketmqConfig {
        &self.0.config
    }

    /// Shuts the client down, in about a second at most, unless another adapter still uses it.
    pub async fn shutdown(self) {
        let Some(shared) = Arc::into_inner(self.0) else { return };
        let Shared { runtime, owner, .. } = shared;
        let (done, ended) = tokio::sync::oneshot::channel();
        // The client refuses to shut its runtime down on a thread of any runtime.
        let thread = std::thread::Builder::new().name("rocketmq-shutdown".to_owned());
        let spawned = thread.spawn(move || {
            let deadline = ShutdownDeadline::after(RUNTIME_SHUTDOWN_TIMEOUT);
            owner.block_on(runtime.shutdown_until(deadline));
            drop(runtime);
            if let Err(error) = owner.shutdown_runtime_blocking_until(deadline) {
                tracing::warn!(%error, "rocketmq.shutdown_incomplete");
            }
            let _receiver_gone = done.send(());
        });
        if spawned.is_ok() {
            let _too_late = tokio::time::timeout(2 * RUNTIME_SHUTDOWN_TIMEOUT, ended).await;
        }
    }

    pub(crate) fn runtime(&self) -> &Arc<ClientRuntime> {
        &self.0.runtime
    }

    pub(crate) fn hook(&self) -> Option<Arc<ClientRpcHook>> {
        self.0.hook.clone()
    }

    /// Runs a task on the client's threads. When the client shuts down, the task is dropped.
    pub(crate) fn in_background(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        let context = self.0.runtime.service_context();
        if let Err(error) = context.spawn_cancellable_service(name, future) {
            tracing::debug!(%error, name, "rocketmq.background_refused");
        }
    }

    /// Like [`Self::instance_config`], but with only the name server that has answered with a
    /// route; also returns that server. The configuration has all name servers if there is only
    /// one, or if none has a route.
    pub(crate) async fn answered_instance_config(
        &self,
        role: &str,
    ) -> (ClientConfig, Option<CheetahString>) {
        let mut config = self.instance_config(role);
        let answering = self.downgrade().answering_name_server().await;
        if let Some(server) = &answering {
            config.set_namesrv_addr(server.clone());
        }
        (config, answering)
    }

    /// A reference that does not keep the client from its shutdown.
    pub(crate) fn downgrade(&self) -> WeakClient {
        WeakClient(Arc::downgrade(&self.0))
    }

    /// The TLS settings of the client's connections.
    pub(crate) fn tls(&self) -> TlsConfig {
        self.instance_config("tls").tls_config().clone()
    }

    /// The configuration of a new client instance. Its name is new too, because otherwise the
    /// client would return the instance that failed.
    pub(crate) fn instance_config(&self, role: &str) -> ClientConfig {
        let number = self.0.instances.fetch_add(1, Ordering::Relaxed);
        let name = format!("{role}-{}-{number}", std::process::id());
        let mut config = ClientConfig::new();
        config.set_namesrv_addr(self.0.config.name_servers.joined().into());
        config.set_instance_name(name.into());
        config.set_vip_channel_enabled(false);
        config.set_decode_decompress_body(false);
        config.set_mq_client_api_timeout(crate::call::millis(NAME_SERVER_TIMEOUT));
        let interval_ms = u32::try_from(ROUTE_INTERVAL.as_millis()).unwrap_or(u32::MAX);
        config.set_poll_name_server_interval(interval_ms);
        config.set_heartbeat_broker_interval(interval_ms);
        if let Some(authority) = &self.0.authority {
            config.set_use_tls(true);
            config.set_tls_client_auth_server(true);
            config.set_tls_client_trust_cert_path(authority.path().to_string_lossy());
        }
        config
    }
}

/// A client that may have been shut down.
pub(crate) struct WeakClient(Weak<Shared>);

impl WeakClient {
    pub(crate) fn upgrade(&self) -> Option<RocketmqClient> {
        self.0.upgrade().map(RocketmqClient)
    }

    /// One of several name servers that answers with a route. `None` if there is only one: nothing
    /// could take its place.
    pub(crate) async fn answering_name_server(&self) -> Option<CheetahString> {
        self.upgrade()?.config().name_servers.iter().nth(1)?;
        answering(self).await
    }
}

/// The certificate authority as a file: the client reads it only from one.
enum AuthorityFile {
    Given(PathBuf),
    /// Deleted with the client.
    Written(NamedTempFile),
}

impl AuthorityFile {
    fn new(authority: &TlsCa) -> io::Result<Self> {
        match authority {
            TlsCa::File(path) => Ok(Self::Given(path.clone())),
            TlsCa::Pem(pem) => {
                let mut file = NamedTempFile::with_suffix(".pem")?;
                file.write_all(pem.as_bytes())?;
                Ok(Self::Written(file))
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Written(file) => file.path(),
        }
    }
}

fn runtime_config() -> RuntimeConfig {
    RuntimeConfig {
        worker_threads: THREADS,
        thread_name: "rocketmq".to_owned(),
        ..RuntimeConfig::default()
    }
}

fn signing_hook(config: &RocketmqConfig) -> Option<Arc<ClientRpcHook>> {
    let credentials = config.credentials.as_ref()?;
    let keys = SessionCredentials::with_keys(
        credentials.access_key.as_str(),
        credentials.secret_key.expose_secret(),
    );
    Some(Arc::new(AclClientRPCHook::new(keys)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_from_the_environment_is_in_a_file_until_the_client_is_dropped() {
        let file = AuthorityFile::new(&TlsCa::Pem("certificate".to_owned())).unwrap();
        let path = file.path().to_owned();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "certificate");
        drop(file);
        assert!(!path.exists());
    }
}
