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
    DefaultRequestProcessor, OutboundRequestOutcome, RequestProcessor, TlsConfig, TransportClient,
    TransportClientConfig,
};
use tokio::sync::oneshot;

use crate::call::millis;
use crate::client::RocketmqClient;
use crate::fault::Missing;

/// How long a name server's or a broker's answer may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long closing connections may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A separate transport, which connects when it is used. `processor` receives the requests that
/// arrive on its connections.
pub(crate) async fn transport<Processor>(
    client: &RocketmqClient,
    tls: &TlsConfig,
    processor: Processor,
) -> Result<Arc<TransportClient<Processor>>, Cause>
where
    Processor: RequestProcessor + Clone + Send + Sync + 'static,
{
    let config = TransportClientConfig { tls: tls.clone(), ..TransportClientConfig::default() };
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

/// Closes a transport's connections.
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

/// Asks all name servers at once for the route of a topic. Returns the first answer, whatever its
/// code, and the server that gave it.
pub(crate) async fn first_route<Processor>(
    client: &RocketmqClient,
    transport: &TransportClient<Processor>,
    topic: Topic,
) -> Result<(CheetahString, RemotingCommand), Cause>
where
    Processor: RequestProcessor + Clone + Send + Sync + 'static,
{
    let name = client.config().topic_name(topic);
    let servers: Vec<CheetahString> =
        client.config().name_servers.iter().map(CheetahString::from_slice).collect();
    let requests = servers.into_iter().map(|server| async {
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
    let mut failure = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(answer) => return Ok(answer),
            Err(cause) => failure = Some(cause),
        }
    }
    Err(failure.unwrap_or_else(|| Missing("there is no name server".to_owned()).into()))
}

/// The first name server to answer, if any does.
pub(crate) async fn answering(client: &RocketmqClient, tls: &TlsConfig) -> Option<CheetahString> {
    let first = async {
        let transport = transport(client, tls, DefaultRequestProcessor).await?;
        let answered = first_route(client, &transport, Topic::Orders).await;
        // Closing it would wait for the servers that do not answer.
        client.in_background("rocketmq.close_transport", async move { close(&transport).await });
        answered.map(|(server, _)| server)
    };
    first.await.inspect_err(|cause| tracing::warn!(%cause, "rocketmq.no_name_server_answers")).ok()
}
