//! Finds a name server that answers.
//!
//! The client asks one name server at a time, lets it use all of a request's time, and takes any to
//! which it could connect, whatever their order (`nameserver.rs` of rocketmq-transport 1.0.0). A name
//! server that accepts connections and never answers would delay each new session and each request
//! for a route. So all of them are asked at once, and a client instance knows only one that answers.

use application::outcome::Cause;
use application::ports::Topic;
use cheetah_string::CheetahString;
use rocketmq_transport::api::DefaultRequestProcessor;

use crate::client::WeakClient;
use crate::transport::{Transport, is_route};

/// The first name server to answer with a route of the order topic, if one does.
pub(crate) async fn answering(client: &WeakClient) -> Option<CheetahString> {
    // Whoever shuts the client down must hold the last reference, so none is held for the answers.
    let (config, transport) = {
        let client = client.upgrade()?;
        let transport = Transport::start(&client, DefaultRequestProcessor).await;
        let transport = transport.inspect_err(log_none_answers).ok()?;
        (client.config().clone(), transport)
    };
    let answered = transport.first_route(&config, Topic::Orders).await;
    if let Some(client) = client.upgrade() {
        // Closing it would wait for the servers that do not answer.
        client.in_background("rocketmq.close_transport", async move { transport.close().await });
    }
    let (server, answer) = answered.inspect_err(log_none_answers).ok()?;
    is_route(&answer).then_some(server)
}

fn log_none_answers(cause: &Cause) {
    tracing::warn!(%cause, "rocketmq.no_name_server_answers");
}
