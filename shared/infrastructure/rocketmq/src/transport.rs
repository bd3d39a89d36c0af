//! Connections of our own, beside those of the client's producers and consumers.

use std::sync::Arc;
use std::time::Duration;

use application::outcome::Cause;
use application::ports::Topic;
use cheetah_string::CheetahString;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::header::client_request_header::GetRouteInfoRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_runtime::ShutdownDeadline;
use rocketmq_transport::api::{
    OutboundRequestOutcome, RequestProcessor, TransportClient, TransportClientConfig,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::call::millis;
use crate::client::RocketmqClient;
use crate::config::RocketmqConfig;
use crate::fault::{Missing, SUCCESS};

/// How long a name server's or a broker's answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How much longer to wait for a route once a name server has answered that it has none: after its
/// restart it knows no broker until these register again, which they do every 30 s
/// (`BrokerConfig.registerNameServerPeriod`).
const ROUTE_AFTER_REFUSAL: Duration = Duration::from_millis(500);

const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Connects to a server when it is first asked.
pub(crate) struct Transport<Processor>(Arc<TransportClient<Processor>>);

impl<Processor: RequestProcessor + Clone + Send + Sync + 'static> Transport<Processor> {
    /// `processor` receives the requests that arrive on the connections.
    pub(crate) async fn start(
        client: &RocketmqClient,
        processor: Processor,
    ) -> Result<Self, Cause> {
        let config =
            TransportClientConfig { tls: client.tls(), ..TransportClientConfig::default() };
        let context = client.runtime().service_context().component("transport");
        let transport = TransportClient::builder(Arc::new(config), processor, context).build()?;
        if let Some(hook) = client.hook() {
            transport.register_rpc_hook(hook);
        }
        let transport = Arc::new(transport);
        let (sender, started) = oneshot::channel();
        let starting = Arc::clone(&transport);
        // Its tasks must run on the client's threads.
        client.in_background("rocketmq.start_transport", async move {
            let _receiver_gone = sender.send(starting.start().await.map(drop));
        });
        started.await??;
        Ok(Self(transport))
    }

    /// Sends a request to one server and returns its answer.
    pub(crate) async fn ask(
        &self,
        address: &CheetahString,
        request: RemotingCommand,
    ) -> Result<RemotingCommand, Cause> {
        let limit = millis(ANSWER_TIMEOUT);
        match self.0.invoke_request(Some(address), request, limit).await? {
            OutboundRequestOutcome::Response(answer) => Ok(answer),
            refused => Err(Missing(format!("{refused:?}")).into()),
        }
    }

    /// Sends a request that is not answered. It must be called on the client's threads.
    pub(crate) async fn send(
        &self,
        address: &CheetahString,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<(), Cause> {
        self.0.invoke_request_oneway(address, request, millis(timeout)).await?;
        Ok(())
    }

    /// Asks all name servers at once for the route of a topic. Returns the first route, and the
    /// server that gave it. If none has a route, it returns the first answer.
    pub(crate) async fn first_route(
        &self,
        config: &RocketmqConfig,
        topic: Topic,
    ) -> Result<(CheetahString, RemotingCommand), Cause> {
        let name = config.topic_name(topic);
        let servers = config.name_servers.iter().map(CheetahString::from_slice);
        let requests = servers.map(|server| async {
            let header = GetRouteInfoRequestHeader {
                topic: name.into(),
                accept_standard_json_only: Some(true),
                topic_request_header: None,
            };
            let code = RequestCode::GetRouteinfoByTopic;
            let request = RemotingCommand::create_request_command(code, header);
            self.ask(&server, request).await.map(|answer| (server, answer))
        });
        let mut answers: FuturesUnordered<_> = requests.collect();
        let (mut without_route, mut failure) = (None, None);
        let mut until = Instant::now() + 2 * ANSWER_TIMEOUT;
        while let Ok(Some(answer)) = tokio::time::timeout_at(until, answers.next()).await {
            match answer {
                Ok(answer) if is_route(&answer.1) => return Ok(answer),
                Ok(answer) => {
                    until = until.min(Instant::now() + ROUTE_AFTER_REFUSAL);
                    without_route.get_or_insert(answer);
                }
                Err(cause) => failure = Some(cause),
            }
        }
        without_route.ok_or_else(|| {
            failure.unwrap_or_else(|| Missing("there is no name server".to_owned()).into())
        })
    }

    pub(crate) async fn close(&self) {
        let deadline = ShutdownDeadline::after(CLOSE_TIMEOUT);
        let report = self.0.shutdown_graceful(deadline).await;
        if !report.is_healthy() {
            tracing::debug!("rocketmq.transport_close_incomplete");
        }
    }
}

/// Whether an answer to a request for a route has one.
pub(crate) fn is_route(answer: &RemotingCommand) -> bool {
    answer.code() == SUCCESS
}
