//! The settings files of the name server and the broker.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::ports::BrokerPorts;
use super::{BrokerSecurity, BrokerTuning, RocketmqOptions};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Soon after its acknowledgement. Enough for development; the service's promises need
    /// [`Flush::Sync`].
    Async,
    /// Up to 30 s after its acknowledgement, which is also about how long Linux keeps a page
    /// unwritten (`vm.dirty_expire_centisecs`).
    Late,
    /// Before its acknowledgement.
    Sync,
}

impl Flush {
    fn settings(self) -> &'static str {
        match self {
            Self::Async => "flushDiskType=ASYNC_FLUSH\n",
            Self::Late => {
                "flushDiskType=ASYNC_FLUSH\nflushCommitLogTimed=true\n\
                 flushIntervalCommitLog=30000\n"
            }
            Self::Sync => "flushDiskType=SYNC_FLUSH\n",
        }
    }
}

/// What a broker does with its oldest messages when its disk is more than 85 % full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It keeps them until they are 72 hours old, and refuses new ones above 90 %.
    Refuse,
    /// It deletes their files, read or not: RocketMQ's default.
    DeleteOldest,
}

impl WhenFull {
    fn setting(self) -> bool {
        self == Self::DeleteOldest
    }
}

/// What a broker is to the others of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Alone,
    /// A static master. A message is acknowledged once its replica has it, too.
    Master,
    /// The replica of a static master, from which messages can be read.
    Replica,
    /// Master or replica, as the controller on this port decides. A message is acknowledged once
    /// every replica in sync has it.
    Controlled(u16),
}

impl Role {
    fn settings(self) -> String {
        match self {
            Self::Alone => "brokerId=0\nbrokerRole=ASYNC_MASTER\n".to_owned(),
            Self::Master => "brokerId=0\nbrokerRole=SYNC_MASTER\nbrokerIP2=127.0.0.1\n\
                             inSyncReplicas=2\nminInSyncReplicas=2\n"
                .to_owned(),
            Self::Replica => "brokerId=1\nbrokerRole=SLAVE\nbrokerIP2=127.0.0.1\n\
                              slaveReadEnable=true\n"
                .to_owned(),
            Self::Controlled(port) => format!(
                "brokerId=-1\nbrokerRole=SLAVE\nbrokerIP2=127.0.0.1\nslaveReadEnable=true\n\
                 enableControllerMode=true\ncontrollerAddr=127.0.0.1:{port}\n\
                 allAckInSyncStateSet=true\n"
            ),
        }
    }
}

/// `ROCKETMQ_HOME`, which both servers require; its `conf` folder stays empty.
pub(super) fn home(options: &RocketmqOptions) -> PathBuf {
    options.data.join("home")
}

/// Writes the name server's settings and returns the file. A controller listens on
/// `controller_port`.
pub(super) async fn namesrv(
    options: &RocketmqOptions,
    port: u16,
    controller_port: Option<u16>,
) -> anyhow::Result<PathBuf> {
    let folder = options.data.display();
    // A controller of one member, which elects itself. Its default would be to map files of 1 GiB.
    let controller = controller_port.map(|port| {
        format!(
            "enableControllerInNamesrv=true\ncontrollerDLegerGroup=controllers\n\
             controllerDLegerPeers=n0-127.0.0.1:{port}\ncontrollerDLegerSelfId=n0\n\
             controllerStorePath={folder}/controller\nmappedFileSize=16777216\n"
        )
    });
    let text = format!(
        "listenPort={port}\nbindAddress=127.0.0.1\nkvConfigPath={folder}/namesrv/kvConfig.json\n\
         configStorePath={folder}/namesrv/namesrv.properties\n{}",
        controller.unwrap_or_default()
    );
    write(options, "namesrv.conf", &text).await
}

pub(super) fn store(options: &RocketmqOptions) -> PathBuf {
    options.data.join("store")
}

pub(super) async fn broker(
    options: &RocketmqOptions,
    name: &str,
    namesrv_port: u16,
    ports: BrokerPorts,
    role: Role,
) -> anyhow::Result<PathBuf> {
    let store = store(options);
    let store = store.display();
    let BrokerPorts { listen, ha } = ports;
    let BrokerTuning {
        flush,
        transaction_timeout_ms,
        check_interval_ms,
        check_max,
        message_index,
        whole_index,
        checkpoint_every_ms,
        whole_messages,
        when_full,
        disk: _,
        short_lived: _,
    } = options.tuning;
    let flush = flush.settings();
    let when_full = when_full.setting();
    let role = role.settings();
    let security = options.security.as_ref().map(BrokerSecurity::settings).unwrap_or_default();
    // Small files, because the broker maps each one completely. `when_full` decides whether the
    // broker deletes the oldest of them once its disk is 85 % full. Topics and groups are created
    // only by command, as in a careful cluster. The last two settings keep an idle broker from
    // using most of a processor: the thread that writes the metrics of transactions spins for its
    // whole interval after a start, and then again and again
    // (`TransactionMetricsFlushService.java`); the other one flushes the timer's wheel.
    let text = format!(
        "brokerClusterName=DefaultCluster\nbrokerName={name}\n{role}\
         namesrvAddr=127.0.0.1:{namesrv_port}\nbrokerIP1=127.0.0.1\nbindAddress=127.0.0.1\n\
         listenPort={listen}\nhaListenPort={ha}\n{flush}\
         storePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n\
         autoCreateTopicEnable=false\nautoCreateSubscriptionGroup=false\n\
         mappedFileSizeCommitLog=16777216\nmappedFileSizeConsumeQueue=600000\n\
         transactionTimeOut={transaction_timeout_ms}\n\
         transactionCheckInterval={check_interval_ms}\ntransactionCheckMax={check_max}\n\
         timerWheelEnable=true\nmessageIndexEnable={message_index}\n\
         messageIndexSafe={whole_index}\n\
         flushConsumeQueueThoroughInterval={checkpoint_every_ms}\n\
         cleanFileForciblyEnable={when_full}\n\
         enabledAppendPropCRC={whole_messages}\nforceVerifyPropCRC={whole_messages}\n\
         transactionMetricFlushInterval=200\ntimerFlushIntervalMs=10000\n{security}"
    );
    write(options, "broker.conf", &text).await
}

async fn write(options: &RocketmqOptions, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    tokio::fs::create_dir_all(home(options).join("conf")).await?;
    let path: &Path = &options.data.join(name);
    tokio::fs::write(path, text)
        .await
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
