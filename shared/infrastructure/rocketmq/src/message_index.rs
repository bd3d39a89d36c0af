//! Whether a broker keeps an index of messages by their keys.
//!
//! Without one (`messageIndexEnable=false`) it finds no message by its key and says so as it does of
//! one that is not there, so the sweep would publish again what is on its topic.

use cheetah_string::CheetahString;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::fault::BrokerAnswer;

/// A broker's setting (`MessageStoreConfig.java`); by default it is true.
const OFF: &str = "messageIndexEnable=false";

/// A broker that keeps none.
#[derive(Debug, thiserror::Error)]
#[error(
    "broker {0} keeps no index of messages, so nobody can see what is on its topics: set \
     messageIndexEnable=true in its settings and start it again"
)]
pub(crate) struct NoMessageIndex(pub(crate) CheetahString);

/// The question, which asks for all settings of a broker.
pub(crate) fn question() -> RemotingCommand {
    RemotingCommand::create_remoting_command(RequestCode::GetBrokerConfig)
}

/// What a broker's answer says. One that doesn't tell its settings to us is taken to keep an index.
pub(crate) fn is_kept(mut answer: RemotingCommand) -> bool {
    if BrokerAnswer::unless_success(&answer).is_some() {
        return true;
    }
    let settings = answer.take_body().unwrap_or_default();
    !String::from_utf8_lossy(&settings).lines().any(|line| line.trim() == OFF)
}
