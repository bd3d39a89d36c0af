//! Half messages and commits by the client's own calls.

use std::sync::Arc;

use anyhow::Context;
use cheetah_string::CheetahString;
use rocketmq_client_rust::{
    ClientConfig, ClientInstanceHandle, ClientRuntime, ClientRuntimeConfig, DefaultMQProducer,
    client_config_for_managed_domain,
};
use rocketmq_model::common::message::message_single::Message;
use rocketmq_model::common::sys_flag::message_sys_flag::MessageSysFlag;
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::header::end_transaction_request_header::EndTransactionRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_runtime::{RuntimeConfig, RuntimeOwner};

use crate::rig::Site;

/// The client's number for these handles.
const DOMAIN: u64 = 1;
const TIMEOUT_MS: u64 = 3_000;
/// The status of a successful answer (`ResponseCode.java`).
const SUCCESS: i32 = 0;

pub(super) struct BareBroker {
    producer: DefaultMQProducer,
    /// One for each worker, because a handle makes one call at a time.
    handles: Vec<ClientInstanceHandle>,
    checked_group: String,
    _runtime: Arc<ClientRuntime>,
    _owner: RuntimeOwner,
    _telemetry: TelemetryRuntimeGuard,
}

pub(super) struct Half {
    address: CheetahString,
    header: EndTransactionRequestHeader,
}

impl BareBroker {
    pub(super) async fn connect(site: &Site, workers: usize) -> anyhow::Result<Self> {
        let config = RuntimeConfig { worker_threads: 2, ..RuntimeConfig::default() };
        let owner = RuntimeOwner::plan(config)
            .map_err(|violation| anyhow::anyhow!("{violation:?}"))?
            .build()?;
        let telemetry = TelemetryRuntimeGuard::noop();
        let context = owner.root_context().component("floor");
        let runtime =
            ClientRuntime::try_new(context, ClientRuntimeConfig::default(), telemetry.handle())
                .map_err(|error| error.into_error())?;
        let names = &site.system.names;
        let topic: CheetahString = names.topic.as_str().into();
        let mut client = ClientConfig::new();
        client.set_namesrv_addr(site.system.endpoints.namesrv.as_str().into());
        client.set_instance_name("floor".into());
        client.set_vip_channel_enabled(false);
        let mut producer = DefaultMQProducer::builder(Arc::clone(&runtime))
            .client_config(client_config_for_managed_domain(DOMAIN, client.clone()))
            .producer_group(format!("{}floor", names.group_prefix))
            .topics(vec![topic.clone()])
            .build();
        Box::pin(producer.start()).await?;
        let mut handles = Vec::with_capacity(workers);
        for _ in 0..workers {
            let handle =
                ClientInstanceHandle::get_or_create(&runtime, DOMAIN, client.clone(), None)?;
            Box::pin(handle.start()).await?;
            handles.push(handle);
        }
        let first = handles.first().context("the floor needs a worker")?;
        // The result is whether the route changed; the producer may already know the route.
        let _changed = Box::pin(first.refresh_topic_route(&topic)).await;
        let checked_group = format!("{}transaction-check", names.group_prefix);
        Ok(Self {
            producer,
            handles,
            checked_group,
            _runtime: runtime,
            _owner: owner,
            _telemetry: telemetry,
        })
    }

    pub(super) async fn half_message(
        &self,
        worker: usize,
        message: Message,
    ) -> anyhow::Result<Half> {
        let topic = message.topic().clone();
        let sending = self.producer.send_with_timeout(message, TIMEOUT_MS);
        let sent = Box::pin(sending).await?.context("the client returned no result")?;
        let queue = sent.message_queue.context("the broker's answer has no queue")?;
        let address =
            self.handle(worker)?.find_subscribe_broker_addr(queue.broker_name(), 0, true).await;
        let offset_id = sent.offset_msg_id.context("the broker's answer has no offset id")?;
        // The offset in the commit log, in the last 16 hexadecimal digits (`MessageDecoder.java`).
        let offset = offset_id.len().checked_sub(16).and_then(|start| offset_id.get(start..));
        let commit_log_offset = i64::from_str_radix(offset.unwrap_or_default(), 16)?;
        let header = EndTransactionRequestHeader {
            topic,
            producer_group: self.checked_group.as_str().into(),
            tran_state_table_offset: i64::try_from(sent.queue_offset)?,
            commit_log_offset,
            commit_or_rollback: MessageSysFlag::TRANSACTION_COMMIT_TYPE,
            from_transaction_check: false,
            msg_id: sent.msg_id.context("the broker's answer has no message id")?,
            transaction_id: sent.transaction_id.as_deref().map(Into::into),
            rpc_request_header: Default::default(),
        };
        Ok(Half { address: address.context("the broker has no address")?, header })
    }

    pub(super) async fn commit(&self, worker: usize, half: &Half) -> anyhow::Result<()> {
        let request = RemotingCommand::create_request_command(
            RequestCode::EndTransaction,
            half.header.clone(),
        );
        let invoking = self.handle(worker)?.invoke_remoting(&half.address, request, TIMEOUT_MS);
        let answer = Box::pin(invoking).await?;
        anyhow::ensure!(answer.code() == SUCCESS, "the answer to a commit is {}", answer.code());
        Ok(())
    }

    fn handle(&self, worker: usize) -> anyhow::Result<&ClientInstanceHandle> {
        self.handles.get(worker).context("the worker's number is too large")
    }

    pub(super) async fn close(mut self) {
        for handle in &self.handles {
            Box::pin(handle.shutdown_owned()).await;
        }
        Box::pin(self.producer.shutdown()).await;
    }
}
