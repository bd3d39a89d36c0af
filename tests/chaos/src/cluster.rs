//! A real cluster for rows.

mod halves;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use harness::broker::{
    self, BrokerSecurity, BrokerTuning, ClusterAccess, Flush, Mqadmin, Replication, Rocketmq,
    RocketmqOptions,
};
use harness::checkout;
use harness::system::SystemOptions;
use harness::table::DynamodbLocal;
use local_lambda::{Children, Signal};
use tempfile::TempDir;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// One name server, one broker, and the table server of the systems. Rows that don't harm the
/// cluster share one: their systems have their own topics and groups.
pub struct Cluster {
    rocketmq: Arc<Mutex<Rocketmq>>,
    namesrv: String,
    broker: String,
    access: Option<ClusterAccess>,
    jars: PathBuf,
    table: Option<String>,
    children: Children,
    data: TempDir,
    _dynamodb: Option<DynamodbLocal>,
    /// Released when this cluster has ended.
    _turn: Option<SemaphorePermit<'static>>,
}

/// A small machine can run a few brokers besides the shared one. Further rows with their own
/// cluster wait.
static OWN_CLUSTERS: Semaphore = Semaphore::const_new(3);

impl Cluster {
    /// For faults on one machine: real times between checks, and messages are flushed before their
    /// acknowledgement.
    pub const TUNING: BrokerTuning =
        BrokerTuning { flush: Flush::Sync, short_lived: true, ..BrokerTuning::LOCAL };

    /// # Errors
    /// When Java is missing, the jars cannot be fetched, or a process does not start.
    pub async fn start(tuning: BrokerTuning) -> anyhow::Result<Self> {
        Self::start_with(tuning, None, Replication::None).await
    }

    async fn start_with(
        tuning: BrokerTuning,
        security: Option<BrokerSecurity>,
        replication: Replication,
    ) -> anyhow::Result<Self> {
        let options = SystemOptions::isolated(&checkout::root()?)?;
        broker::check_java().await?;
        let children = Children::new().context("/bin/sh cannot be started")?;
        let data = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let jars = broker::ensure_jars(&options.target).await?;
        let options = RocketmqOptions {
            jars: jars.clone(),
            data: data.path().join("rocketmq"),
            namesrv_port: 0,
            broker_port: 0,
            tuning,
            security,
            replication,
        };
        let rocketmq = Rocketmq::start(options, &children).await?;
        let namesrv = rocketmq.namesrv();
        let broker = rocketmq.broker();
        let access = rocketmq.access();
        let rocketmq = Arc::new(Mutex::new(rocketmq));
        Ok(Self {
            rocketmq,
            namesrv,
            broker,
            access,
            jars,
            table: None,
            children,
            data,
            _dynamodb: None,
            _turn: None,
        })
    }

    /// Its systems keep their tables in one DynamoDB Local, which ends with the cluster, instead of
    /// one embedded table server each.
    ///
    /// # Errors
    /// When its jars cannot be fetched, or it does not start.
    pub async fn with_dynamodb_local(mut self) -> anyhow::Result<Self> {
        let target = SystemOptions::isolated(&checkout::root()?)?.target;
        let data = self.data.path().join("dynamodb");
        tokio::fs::create_dir(&data).await?;
        let dynamodb = DynamodbLocal::start(&target, &data, &self.children).await?;
        self.table = Some(dynamodb.url());
        self._dynamodb = Some(dynamodb);
        Ok(self)
    }

    /// Its systems keep their tables in another cluster's table server.
    #[must_use]
    pub fn with_table_of(mut self, other: &Self) -> Self {
        self.table.clone_from(&other.table);
        self
    }

    /// A cluster for one row alone, which may tune it, kill its processes and start them again.
    /// Waits while two other rows have one.
    ///
    /// # Errors
    /// The same as of [`Cluster::start`].
    pub async fn own(tuning: BrokerTuning) -> anyhow::Result<Self> {
        Self::own_with(tuning, None, Replication::None).await
    }

    /// Like [`Cluster::own`], with a replica of the broker.
    ///
    /// # Errors
    /// The same as of [`Cluster::start`].
    pub async fn own_replicated(
        tuning: BrokerTuning,
        replication: Replication,
    ) -> anyhow::Result<Self> {
        Self::own_with(tuning, None, replication).await
    }

    /// Like [`Cluster::own`], and requires TLS and signed requests.
    ///
    /// # Errors
    /// The same as of [`Cluster::start`].
    pub async fn own_secured(tuning: BrokerTuning) -> anyhow::Result<Self> {
        let administrator = BrokerSecurity {
            access_key: "administrator".to_owned(),
            secret_key: "the-administrators-secret".to_owned(),
        };
        Self::own_with(tuning, Some(administrator), Replication::None).await
    }

    async fn own_with(
        tuning: BrokerTuning,
        security: Option<BrokerSecurity>,
        replication: Replication,
    ) -> anyhow::Result<Self> {
        let turn = OWN_CLUSTERS.acquire().await?;
        let mut cluster = Self::start_with(tuning, security, replication).await?;
        cluster._turn = Some(turn);
        Ok(cluster)
    }

    /// How to reach the cluster, if it requires TLS and signed requests.
    #[must_use]
    pub fn access(&self) -> Option<&ClusterAccess> {
        self.access.as_ref()
    }

    /// RocketMQ's administration tool for a cluster that requires TLS and signed requests.
    ///
    /// # Errors
    /// When the cluster requires neither, or the tool's folder cannot be written.
    pub fn mqadmin(&self) -> anyhow::Result<Mqadmin> {
        let access = self.access.as_ref().context("this cluster has no users")?;
        let home = self.data.path().join("mqadmin");
        Mqadmin::new(&self.jars, home, &self.namesrv, &access.administrator)
    }

    /// The endpoint of the shared table server; `None` if each system has its own.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    #[must_use]
    pub fn namesrv(&self) -> &str {
        &self.namesrv
    }

    /// Set even while the broker is down.
    #[must_use]
    pub fn broker(&self) -> &str {
        &self.broker
    }

    /// The half messages that have not ended, as the master of each broker counts them.
    ///
    /// # Errors
    /// When the first broker has no master, or one does not answer.
    pub async fn open_halves(&self) -> anyhow::Result<u64> {
        let master = self.master().await?;
        let mut open = halves::open(master.as_deref().unwrap_or(&self.broker)).await?;
        if let Some(second) = self.rocketmq.lock().await.second_broker() {
            open += halves::open(&second).await?;
        }
        Ok(open)
    }

    /// The address of the first broker's master; `None` while the name server knows none.
    ///
    /// # Errors
    /// When the name server does not answer.
    pub async fn master(&self) -> anyhow::Result<Option<String>> {
        broker::master_address(&self.namesrv, broker::BROKER).await
    }

    /// The address of the first broker's replica; `None` while the name server knows none.
    ///
    /// # Errors
    /// When the name server does not answer.
    pub async fn replica(&self) -> anyhow::Result<Option<String>> {
        let master = self.master().await?;
        let second = self.rocketmq.lock().await.second_broker();
        let addresses = broker::broker_addresses(&self.namesrv).await?;
        let is_replica =
            |address: &String| Some(address) != master.as_ref() && Some(address) != second.as_ref();
        Ok(addresses.into_iter().find(is_replica))
    }

    /// How many brokers hold everything that the first broker has acknowledged, its master
    /// included, as the controller counts them.
    ///
    /// # Errors
    /// When there is no controller, or it does not answer.
    pub async fn in_sync(&self) -> anyhow::Result<usize> {
        let controller = self.rocketmq.lock().await.controller();
        let controller = controller.context("the cluster has no controller")?;
        broker::in_sync_replicas(&controller, broker::BROKER).await
    }

    /// The first broker or its replica, with SIGKILL.
    pub async fn kill_at(&self, address: &str) {
        let mut rocketmq = self.rocketmq.lock().await;
        if address == self.broker {
            rocketmq.kill_broker().await;
        } else {
            rocketmq.kill_replica().await;
        }
    }

    /// The first broker or its replica, on its store.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_at(&self, address: &str) -> anyhow::Result<()> {
        let mut rocketmq = self.rocketmq.lock().await;
        if address == self.broker {
            rocketmq.restart_broker().await
        } else {
            rocketmq.restart_replica().await
        }
    }

    /// This cluster with a second broker beside the first.
    ///
    /// # Errors
    /// When the second broker does not start.
    pub async fn with_second_broker(self) -> anyhow::Result<Self> {
        self.rocketmq.lock().await.add_broker().await?;
        Ok(self)
    }

    /// Set even while the broker is down.
    ///
    /// # Errors
    /// When no second broker was added.
    pub async fn second_broker(&self) -> anyhow::Result<String> {
        self.rocketmq.lock().await.second_broker().context("there is no second broker")
    }

    /// With SIGKILL.
    pub async fn kill_second_broker(&self) {
        self.rocketmq.lock().await.kill_second_broker().await;
    }

    /// Uses the same store.
    ///
    /// # Errors
    /// When no second broker was added, or it does not start.
    pub async fn restart_second_broker(&self) -> anyhow::Result<()> {
        self.rocketmq.lock().await.restart_second_broker().await
    }

    /// Such as SIGSTOP.
    pub async fn signal_broker(&self, signal: Signal) {
        self.rocketmq.lock().await.signal_broker(signal);
    }

    /// Kills the broker, and deletes its store.
    ///
    /// # Errors
    /// When the store can't be deleted.
    pub async fn lose_store(&self) -> anyhow::Result<()> {
        self.rocketmq.lock().await.lose_store().await
    }

    /// Kills the broker as if it was storing another half message at that moment.
    ///
    /// # Errors
    /// When there is no half message.
    pub async fn store_torn_half(&self) -> anyhow::Result<()> {
        self.rocketmq.lock().await.store_torn_half().await
    }

    /// What the broker has logged about transactions since its log was last rolled over.
    ///
    /// # Errors
    /// When the log can't be read.
    pub async fn transaction_log(&self) -> anyhow::Result<String> {
        self.rocketmq.lock().await.transaction_log().await
    }

    /// Kills the broker, and deletes what it has not flushed.
    ///
    /// # Errors
    /// When the broker was not started with
    /// [`Disk::LosesPower`](harness::broker::Disk::LosesPower).
    pub async fn cut_power(&self) -> anyhow::Result<()> {
        self.rocketmq.lock().await.cut_power().await
    }

    /// Makes the broker see a disk that is full by a percentage, within 10 s.
    ///
    /// # Errors
    /// When the broker was not started with a disk that fills.
    pub async fn fill_disk(&self, percent: u8) -> anyhow::Result<()> {
        self.rocketmq.lock().await.fill_disk(percent).await
    }

    /// Uses the same store.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_broker_with(&self, tuning: BrokerTuning) -> anyhow::Result<()> {
        let mut rocketmq = self.rocketmq.lock().await;
        rocketmq.tune(tuning);
        rocketmq.restart_broker().await
    }

    /// With SIGKILL.
    pub async fn kill_broker(&self) {
        self.rocketmq.lock().await.kill_broker().await;
    }

    /// Uses the same store. Returns once the broker is registered.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_broker(&self) -> anyhow::Result<()> {
        self.rocketmq.lock().await.restart_broker().await
    }

    /// With SIGKILL.
    pub async fn kill_namesrv(&self) {
        self.rocketmq.lock().await.kill_namesrv().await;
    }

    /// Returns once the broker has registered with it.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_namesrv(&self) -> anyhow::Result<()> {
        self.rocketmq.lock().await.restart_namesrv().await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The store is deleted with its folder, so the processes need no orderly end.
        self.children.kill_all();
    }
}
