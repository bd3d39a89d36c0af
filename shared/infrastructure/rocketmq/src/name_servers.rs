//! Which name server answers.
//!
//! The client asks one after another, in the order in which they are written, and gives the first all
//! of a request's time (`nameserver.rs` of rocketmq-transport 1.0.0). One that accepts connections and
//! never answers would hold up each new session, and each look at a route. So all are asked at once.

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

/// How long the end of connections may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A transport of its own, which connects when it is used. `processor` gets what is asked on its
/// connections.
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
    // Its tasks belong to the client's threads.
    client.in_background("rocketmq.start_transport", async move {
        let _receiver_gone = sender.send(starting.start().await.map(drop));
    });
    started.await??;
    Ok(transport)
}

/// Ends a transport's connections.
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

/// Asks one server.
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

/// Asks all name servers at once for the route of a topic. Returns the first answer, whatever its code,
/// with who gave it.
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
    let asked = servers.into_iter().map(|server| async {
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
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut failure = None;
    while let Some(answer) = asked.next().await {
        match answer {
            Ok(answer) => return Ok(answer),
            Err(cause) => failure = Some(cause),
        }
    }
    Err(failure.unwrap_or_else(|| Missing("there is no name server".to_owned()).into()))
}

/// The name servers for a new client instance, parted by `;`: the one that answered first comes first.
/// Where none answers they stand as they are written.
pub(crate) async fn answering_first(client: &RocketmqClient, tls: &TlsConfig) -> String {
    let written = &client.config().name_servers;
    if written.iter().count() < 2 {
        return written.joined();
    }
    let first = async {
        let transport = transport(client, tls, DefaultRequestProcessor).await?;
        let answered = first_route(client, &transport, Topic::Orders).await;
        // Its end would wait for the answer of whoever is silent.
        client.in_background("rocketmq.close_transport", async move { close(&transport).await });
        answered.map(|(server, _)| server)
    };
    match first.await {
        Ok(first) => {
            let others = written.iter().filter(|server| *server != first.as_str());
            let ordered: Vec<_> = std::iter::once(first.as_str()).chain(others).collect();
            ordered.join(";")
        }
        Err(cause) => {
            tracing::warn!(%cause, "rocketmq.no_name_server_answers");
            written.joined()
        }
    }
}
