//! Reads the check-backs of brokers: the header and the properties, never the body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use application::ports::CheckBack;
use cheetah_string::CheetahString;
use contracts::message::{AGGREGATE, DEADLINE_MS, EVENT_ID, RECORDED, TRANSACTION_ID};
use domain::identity::OrderId;
use domain::timestamp::Timestamp;
use rocketmq_model::common::message::MessageConst;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_protocol::code::request_code::RequestCode;
use rocketmq_protocol::code::response_code::ResponseCode;
use rocketmq_protocol::common::message::message_decoder;
use rocketmq_protocol::protocol::header::check_transaction_state_request_header::CheckTransactionStateRequestHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_transport::api::{
    ProtocolNoResponseReason, RemotingRequest, RemotingResponse, RequestProcessor, ResponseAction,
    SessionView,
};
use tokio::sync::mpsc;

use crate::config::RocketmqConfig;
use crate::subscription::property;

/// A broker's check-back, with what the answer to it needs.
#[derive(Debug)]
pub(super) struct ReceivedCheck {
    pub(super) check: CheckBack,
    /// The broker that asked.
    pub(super) address: CheetahString,
    pub(super) header: CheckTransactionStateRequestHeader,
}

/// Receives the requests of brokers on the member's connections.
#[derive(Clone)]
pub(super) struct Checks {
    config: RocketmqConfig,
    received: mpsc::Sender<ReceivedCheck>,
    /// How many check-backs came while too many were waiting.
    dropped: Arc<AtomicU64>,
}

impl RequestProcessor for Checks {
    async fn process(
        &mut self,
        request: &mut RemotingRequest,
    ) -> Result<ResponseAction, rocketmq_error::SharedError> {
        let address = match request.session() {
            SessionView::Network { remote_addr, .. } => Some(*remote_addr),
            _ => None,
        };
        let is_check = request.command().code() == RequestCode::CheckTransactionState as i32;
        if let (true, Some(address)) = (is_check, address) {
            self.receive(address, request.command_mut());
            // The answer is sent as a separate request.
            if let Ok(none) =
                request.protocol_no_response(ProtocolNoResponseReason::CallbackHandled)
            {
                return Ok(ResponseAction::NoReply(none));
            }
        }
        let response =
            RemotingResponse::empty_response(ResponseCode::RequestCodeNotSupported as i32);
        Ok(ResponseAction::Reply(response))
    }
}

impl Checks {
    pub(super) fn new(config: RocketmqConfig, received: mpsc::Sender<ReceivedCheck>) -> Self {
        Self { config, received, dropped: Arc::default() }
    }

    fn receive(&self, address: SocketAddr, request: &mut RemotingCommand) {
        let Some(check) = read(address, request, &self.config) else {
            tracing::warn!(broker = %address, "rocketmq.check_unreadable");
            return;
        };
        if self.received.try_send(check).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            // There may be thousands a second, and a line for each would slow the answers down.
            if dropped.is_power_of_two() {
                tracing::warn!(broker = %address, dropped, "rocketmq.checks_dropped");
            }
        }
    }
}

/// A check-back, if it is one for our group.
fn read(
    address: SocketAddr,
    request: &mut RemotingCommand,
    config: &RocketmqConfig,
) -> Option<ReceivedCheck> {
    let mut header =
        request.decode_command_custom_header::<CheckTransactionStateRequestHeader>().ok()?;
    let message =
        message_decoder::decode(request.get_body_mut()?, false, false, false, false, false)?;
    // The header names the broker's own topic of half messages
    // (`AbstractTransactionalMessageCheckListener.java`). A broker with access control asks for the
    // right to the topic that the answer names (`DefaultAuthorizationContextBuilder.java`), and
    // nobody has one to that.
    header.topic = Some(message.topic().to_string().into());
    let group = property(&message, MessageConst::PROPERTY_PRODUCER_GROUP);
    let is_ours = group == Some(config.transaction_check_group().as_str());
    is_ours.then(|| ReceivedCheck {
        check: check_back(&message, config),
        address: address.to_string().into(),
        header,
    })
}

/// A check-back from the readable properties of a half message. The transaction ID is our user
/// property and not the client's own transaction ID.
fn check_back(message: &MessageExt, config: &RocketmqConfig) -> CheckBack {
    let deadline_ms = property(message, DEADLINE_MS).and_then(|text| text.parse().ok());
    CheckBack {
        topic: config.topic_of(message.topic()),
        transaction_id: property(message, TRANSACTION_ID).and_then(|text| text.parse().ok()),
        event_id: property(message, EVENT_ID).and_then(|text| text.parse().ok()),
        aggregate: property(message, AGGREGATE).and_then(|text| text.parse().ok()),
        is_recorded: property(message, RECORDED) == Some("true"),
        order_id: order_id(message),
        deadline: deadline_ms.map(Timestamp::from_millis),
    }
}

/// The order in a message's keys, which are the event and its subject. The subject of a user's
/// event is not an order.
fn order_id(message: &MessageExt) -> Option<OrderId> {
    let keys = property(message, MessageConst::PROPERTY_KEYS)?;
    keys.split(MessageConst::KEY_SEPARATOR).nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use application::ports::Topic;
    use platform::settings::Settings;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use rocketmq_model::common::message::MessageTrait;
    use rocketmq_model::common::message::message_single::Message;

    use super::*;

    fn config() -> RocketmqConfig {
        let pairs = [("ROCKETMQ_NAMESRV_ADDR", "a:1"), ("ROCKETMQ_GROUP_PREFIX", "p-")];
        RocketmqConfig::read(&mut Settings::from_pairs(pairs)).unwrap()
    }

    fn check_back_of(topic: &str, properties: &[(&'static str, &str)]) -> CheckBack {
        let mut inner = Message::default();
        inner.set_topic(topic.into());
        for (name, value) in properties {
            inner.put_property((*name).into(), (*value).into());
        }
        let mut message = MessageExt::default();
        message.set_message_inner(inner);
        check_back(&message, &config())
    }

    #[test]
    fn a_check_back_carries_our_ids() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let check = check_back_of(
            "ORDER_EVENTS",
            &[
                ("event_id", id),
                ("transaction_id", id),
                ("deadline_ms", "1700000000000"),
                ("aggregate", &format!("USER#7/ORDER#{id}")),
                ("recorded", "true"),
                ("KEYS", &format!("{id} {id}")),
            ],
        );
        assert_eq!(check.order_id, id.parse().ok());
        assert_eq!(check.aggregate, format!("USER#7/ORDER#{id}").parse().ok());
        assert!(check.is_recorded);
        assert_eq!(check.topic, Some(Topic::Orders));
        assert_eq!(check.event_id, id.parse().ok());
        assert_eq!(check.transaction_id, id.parse().ok());
        assert_eq!(check.deadline, Some(Timestamp::from_millis(1_700_000_000_000)));
    }

    #[test]
    fn an_unreadable_property_is_absent() {
        let check = check_back_of(
            "ANOTHER",
            &[
                ("event_id", "x"),
                ("deadline_ms", "soon"),
                ("aggregate", "ORDER"),
                ("recorded", "yes"),
                ("__transactionId__", "y"),
                ("KEYS", "x 123"),
            ],
        );
        let nothing = CheckBack {
            topic: None,
            transaction_id: None,
            event_id: None,
            aggregate: None,
            is_recorded: false,
            order_id: None,
            deadline: None,
        };
        assert_eq!(check, nothing);
    }

    /// A check-back of our group, as a broker sends it.
    fn request(body: Vec<u8>) -> RemotingCommand {
        let header = CheckTransactionStateRequestHeader::default();
        RemotingCommand::create_request_command(RequestCode::CheckTransactionState, header)
            .set_body(body)
    }

    fn half_message() -> Vec<u8> {
        let mut inner = Message::default();
        inner.set_topic("ORDER_EVENTS".into());
        inner.set_body(Some(b"{}".as_slice().into()));
        let group = config().transaction_check_group();
        for (name, value) in [("PGROUP", group.as_str()), ("deadline_ms", "1700000000000")] {
            inner.put_property(name.into(), value.into());
        }
        let address: SocketAddr = "127.0.0.1:10911".parse().unwrap();
        let mut message = MessageExt::default();
        message.set_message_inner(inner);
        message.set_born_host(address);
        message.set_store_host(address);
        message_decoder::encode(&message, false).unwrap().to_vec()
    }

    fn read_from(body: Vec<u8>) -> Option<ReceivedCheck> {
        let address = "127.0.0.1:10911".parse().unwrap();
        let mut request = request(body);
        request.make_custom_header_to_net();
        read(address, &mut request, &config())
    }

    #[test]
    fn a_half_message_of_our_group_is_a_check_back() {
        let read = read_from(half_message()).unwrap();
        assert_eq!(read.check.deadline, Some(Timestamp::from_millis(1_700_000_000_000)));
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_half_message_make_its_reader_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<Index>(), at in any::<Index>(), byte in any::<u8>(),
        ) {
            read_from(bytes);
            let mut changed = half_message();
            let at = at.index(changed.len());
            changed[at] = byte;
            read_from(changed.clone());
            changed.truncate(cut.index(changed.len()));
            read_from(changed);
        }
    }
}
