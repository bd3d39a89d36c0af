//! Finds a name server that answers.
//!
//! The client asks one name server at a time, lets it use all of a request's time, and takes any to
//! which it could connect, whatever their order (`nameserver.rs` of rocketmq-transport 1.0.0). A name
//! server that accepts connections and never answers would delay each new session and each request
//! for a route. So all of them are asked at once, and a client instance knows only one that answers.

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
    DefaultRequestProcessor, OutboundRequestOutcome, RequestProcessor, TransportClient,
    TransportClientConfig,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::call::millis;
use crate::client::{RocketmqClient, WeakClient};
use crate::config::RocketmqConfig;
use crate::fault::{Missing, SUCCESS};

/// How long a name server's or a broker's answer may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How much longer to wait for a route once a name server has answered that it has none: after its
/// restart it knows no broker until these register again, which they do every 30 s
/// (`BrokerConfig.registerNameServerPeriod`).
const ROUTE_AFTER_REFUSAL: Duration = Duration::from_millis(500);

const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A separate transport, which connects when it is used. `processor` receives the requests that
/// arrive on its connections.
pub(crate) async fn transport<Processor>(
    client: &RocketmqClient,
    processor: Processor,
) -> Result<Arc<TransportClient<Processor>>, Cause>
where
    Processor: RequestProcessor + Clone + Send + Sync + 'static,
{
    let config = TransportClientConfig { tls: client.tls(), ..TransportClientConfig::default() };
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
    Ok(transport)
}

pub(crate) async fn close<Processor>(transport: &TransportClient<Processor>)
where
    Processor: RequestProcessor + Clone + Send + Sync + 'static,
{
    let deadline = ShutdownDeadline::after(CLOSE_TIMEOUT);
    let report = transport.shutdown_graceful(deadline).await;
    if !report.is_healthy() {
        tracing::debug!("rocketmq.transport_close_incomplete");
    }
}

/// Sends a request to one server and returns its answer.
pub(crate) async fn ask<Processor>(
    transport: &TransportClient<Processor>,
    address: &CheetahString,
    request: RemotingCommand,
) -> Result<RemotingCommand, Cause>
where
    Processor: RequestProcessor + Clone + Send + Sync + 'static,
{
    let limit = millis(ANSWER_TIMEOUT);
    match transport.invoke_request(Some(address), request, limit).await? {
        OutboundRequestOutcome::Response(answer) => Ok(answer),
        refused => Err(Missing(format!("{refused:?}")).into()),
    }
}

/// Asks all name servers at once for the route of a topic. Returns the first route, and the server
/// that gave it. If none has a route, it returns the first answer.
pub(crate) async fn first_route<Processor>(
    config: &RocketmqConfig,
    transport: &TransportClient<Processor>,
    topic: Topic,
) -> Result<(CheetahString, RemotingCommand), Cause>
where
    Processor: RequestProcessor + Clone + Send + Sync + 'static,
{
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
        let answer = ask(transport, &server, request).await;
        answer.map(|answer| (server, answer))
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

fn is_route(answer: &RemotingCommand) -> bool {
    answer.code() == SUCCESS
}

/// The first name server to answer with a route of the order topic, if one does.
pub(crate) async fn answering(client: &WeakClient) -> Option<CheetahString> {
    // Whoever shuts the client down must hold the last reference, so none is held for the answers.
    let (config, transport) = {
        let client = client.upgrade()?;
        let transport = transport(&client, DefaultRequestProcessor).await;
        let transport = transport.inspect_err(log_none_answers).ok()?;
        (client.config().clone(), transport)
    };
    let answered = first_route(&config, &transport, Topic::Orders).await;
    if let Some(client) = client.upgrade() {
        // Closing it would wait for the servers that do not answer.
        client.in_background("rocketmq.close_transport", async move { close(&transport).await });
    }
    let (server, answer) = answered.inspect_err(log_none_answers).ok()?;
    is_route(&answer).then_some(server)
}

fn log_none_answers(cause: &Cause) {
    tracing::warn!(%cause, "rocketmq.no_name_server_answers");
}
