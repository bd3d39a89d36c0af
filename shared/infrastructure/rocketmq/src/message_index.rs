//! Whether a broker keeps an index of messages by their keys.
//!
//! Without one (`messageIndexEnable=false`) a broker finds no message by its key. Its answer is the
//! same as for a message that does not exist, so the sweep would publish events again that are on
//! their topic.

use cheetah_string::CheetahString;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::fault::BrokerAnswer;

/// The line in a broker's settings that switches the index off (`MessageStoreConfig.java`). By
/// default the value is true.
const OFF: &str = "messageIndexEnable=false";

/// A broker keeps no index of messages.
#[derive(Debug, thiserror::Error)]
#[error(
    "broker {0} keeps no index of messages, so no message on its topics can be found by its key: \
     set messageIndexEnable=true in its settings and restart it"
)]
pub(crate) struct NoMessageIndex(pub(crate) CheetahString);

/// A request for all settings of a broker.
pub(crate) fn request() -> RemotingCommand {
    RemotingCommand::create_remoting_command(RequestCode::GetBrokerConfig)
}

/// Whether a broker's answer says that it keeps an index. A broker that refuses to show its
/// settings is assumed to keep one.
pub(crate) fn is_kept(mut answer: RemotingCommand) -> bool {
    if BrokerAnswer::unless_success(&answer).is_some() {
        return true;
    }
    let settings = answer.take_body().unwrap_or_default();
    !String::from_utf8_lossy(&settings).lines().any(|line| line.trim() == OFF)
}
