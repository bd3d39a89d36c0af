//! Reads a broker's answer to a request for messages.
//!
//! The client stops at the first message that it cannot decode, and drops all behind it in the
//! batch (`decodes_batch` in `message_decoder.rs` of rocketmq-protocol 1.0.0). Here each message is
//! read from its own frame, so that an unreadable message does not affect its neighbours, and what
//! was read is compared with what the broker says that it gave: an offset for each message
//! (`msgOffsetInfo` in `PopMessageProcessor.java`).

use std::collections::HashMap;
use std::fmt;

use application::outcome::{Failure, FailureClass};
use rocketmq_model::common::message::MessageConst;
use rocketmq_model::common::message::MessageTrait;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_protocol::code::response_code::ResponseCode;
use rocketmq_protocol::common::message::message_decoder;
use rocketmq_protocol::protocol::header::extra_info_util::ExtraInfoUtil;
use rocketmq_protocol::protocol::header::pop_message_response_header::PopMessageResponseHeader;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use crate::fault::{BrokerAnswer, broker_failure, unavailable};
use crate::frames::next_frame;

/// What a broker has answered.
pub(crate) enum Popped {
    /// Messages, as far as they could be read, each with its receipt (`POP_CK`), and what is
    /// missing.
    Messages(Vec<MessageExt>, Option<Loss>),
    /// There was no message within the time of the request.
    Nothing,
    /// The broker has too many requests that wait.
    PollingFull,
}

/// A broker gave more messages than could be read. Those that are missing are delivered again when
/// they become visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    given: usize,
    read: usize,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, read } = self;
        write!(f, "the broker gave {given} messages, and {read} of them could be read")
    }
}

impl std::error::Error for Loss {}

impl From<Loss> for Failure {
    fn from(loss: Loss) -> Self {
        Self::new(FailureClass::Unavailable, loss)
    }
}

/// Reads the answer of a broker to a request for messages of a topic.
///
/// # Errors
///
/// [`Failure`] if the broker refused the request, or the answer's header can't be read.
pub(crate) fn popped(
    mut answer: RemotingCommand,
    topic: &str,
    broker: &str,
) -> Result<Popped, Failure> {
    match ResponseCode::from(answer.code()) {
        ResponseCode::Success => {}
        ResponseCode::PollingFull => return Ok(Popped::PollingFull),
        ResponseCode::PollingTimeout if !is_refusal(&answer) => return Ok(Popped::Nothing),
        ResponseCode::PullNotFound => return Ok(Popped::Nothing),
        _ => {
            return BrokerAnswer::unless_success(&answer)
                .map_or(Ok(Popped::Nothing), |refused| Err(broker_failure(refused)));
        }
    }
    let header: PopMessageResponseHeader =
        answer.decode_command_custom_header().map_err(unavailable)?;
    let offsets = header.msg_offset_info.as_deref().unwrap_or_default();
    let offsets = ExtraInfoUtil::parse_msg_offset_info(offsets).map_err(unavailable)?;
    let starts = header.start_offset_info.as_deref().unwrap_or_default();
    let starts = ExtraInfoUtil::parse_start_offset_info(starts).map_err(unavailable)?;

    let mut body = answer.take_body().unwrap_or_default();
    let (mut messages, mut frames) = (Vec::new(), 0);
    while let Some(mut frame) = next_frame(&mut body) {
        frames += 1;
        let decoded = message_decoder::decode(&mut frame, true, false, false, false, false);
        let read = decoded.and_then(|message| with_receipt(message, &header, &starts, broker));
        messages.extend(read.map(|mut message| {
            // Those of a retry topic as well: the receipt names the topic that holds the message.
            message.set_topic(topic.into());
            message
        }));
    }
    // An older broker lists no offsets; what is left of a torn frame is one message at least.
    let listed: usize = offsets.values().map(Vec::len).sum();
    let given = listed.max(frames + usize::from(!body.is_empty()));
    let read = messages.len();
    Ok(Popped::Messages(messages, (read < given).then_some(Loss { given, read })))
}

/// Whether an answer of "nothing came in time" means that the request looked too old by the
/// broker's clock, so that the broker has looked for no message (`isTimeoutTooMuch` in
/// `PopMessageProcessor.java`). Only its remark differs from that of an empty topic.
fn is_refusal(answer: &RemotingCommand) -> bool {
    answer.remark().is_some_and(|remark| remark.contains("timeout too much"))
}

/// Adds the receipt that an acknowledgement sends back, unless the broker has added it, as it does
/// to messages of a retry topic. `None` if the answer does not say where the message's queue
/// began.
fn with_receipt(
    mut message: MessageExt,
    header: &PopMessageResponseHeader,
    starts: &HashMap<String, i64>,
    broker: &str,
) -> Option<MessageExt> {
    let name = MessageConst::PROPERTY_POP_CK;
    if message.property(&name.into()).is_some() {
        return Some(message);
    }
    let (queue_id, offset) = (message.queue_id(), message.queue_offset());
    let key = ExtraInfoUtil::get_start_offset_info_map_key(message.topic(), queue_id.into());
    let receipt = ExtraInfoUtil::build_extra_info_with_offset(
        *starts.get(&key)?,
        header.pop_time.try_into().ok()?,
        header.invisible_time.try_into().ok()?,
        header.revive_qid.try_into().ok()?,
        message.topic(),
        broker,
        queue_id,
        offset,
    );
    message.put_property(name.into(), receipt.into());
    Some(message)
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::*;

    use super::*;
    use crate::frames::{LENGTH_BYTES, samples};

    const TOPIC: &str = "ORDER_EVENTS";

    fn frame(offset: i64) -> Vec<u8> {
        samples::frame(TOPIC, offset, 1_000, "")
    }

    fn answer(frames: &[Vec<u8>], offsets: &str) -> RemotingCommand {
        let mut answer = RemotingCommand::create_remoting_command(ResponseCode::Success as i32);
        answer.add_ext_field("popTime", "1000");
        answer.add_ext_field("invisibleTime", "20000");
        answer.add_ext_field("reviveQid", "3");
        answer.add_ext_field("restNum", "0");
        answer.add_ext_field("startOffsetInfo", "0 2 7");
        answer.add_ext_field("msgOffsetInfo", format!("0 2 {offsets}"));
        answer.set_body_mut_ref(frames.concat());
        answer
    }

    /// The offsets of what was read, and what is missing.
    fn read(answer: RemotingCommand) -> (Vec<i64>, Option<Loss>) {
        match popped(answer, TOPIC, "broker-a").unwrap() {
            Popped::Messages(messages, loss) => {
                (messages.iter().map(MessageExt::queue_offset).collect(), loss)
            }
            Popped::Nothing | Popped::PollingFull => panic!("no messages"),
        }
    }

    #[test]
    fn what_the_broker_gave_is_read_with_its_receipts() {
        let answer = answer(&[frame(7), frame(8)], "7,8");
        let Popped::Messages(messages, loss) = popped(answer, TOPIC, "broker-a").unwrap() else {
            panic!("no messages")
        };
        assert_eq!(loss, None);
        let receipts: Vec<_> = messages
            .iter()
            .map(|message| message.property(&MessageConst::PROPERTY_POP_CK.into()).unwrap())
            .collect();
        assert_eq!(receipts, ["7 1000 20000 3 0 broker-a 2 7", "7 1000 20000 3 0 broker-a 2 8"]);
        assert!(messages.iter().all(|message| message.topic() == TOPIC));
    }

    #[test]
    fn a_message_that_cannot_be_decoded_is_counted_and_costs_no_other() {
        let mut torn = frame(8);
        // Not the magic code of a message.
        torn[4..8].copy_from_slice(&[1, 2, 3, 4]);
        let (read, loss) = read(answer(&[frame(7), torn, frame(9)], "7,8,9"));
        assert_eq!((read, loss), (vec![7, 9], Some(Loss { given: 3, read: 2 })));
        let cause = Failure::from(Loss { given: 3, read: 2 }).cause.to_string();
        assert!(cause.contains("3 messages, and 2 of them"), "{cause}");
    }

    proptest! {
        #[test]
        fn a_message_with_any_damage_costs_no_other(
            damages in collection::vec((LENGTH_BYTES..frame(8).len(), any::<u8>()), 1..4),
        ) {
            let mut damaged = frame(8);
            for (at, byte) in damages {
                damaged[at] = byte;
            }
            let (read, _) = read(answer(&[frame(7), damaged, frame(9)], "7,8,9"));
            prop_assert!(read.first() == Some(&7) && read.last() == Some(&9), "{read:?}");
        }

        #[test]
        fn any_bytes_are_read_or_counted(body in collection::vec(any::<u8>(), 1..512)) {
            let (read, loss) = read(answer(&[body], "7,8"));
            prop_assert!(loss.is_some() || read.len() >= 2);
        }
    }

    #[test]
    fn messages_that_are_not_in_the_body_are_counted() {
        let missing = read(answer(&[frame(7)], "7,8,9"));
        assert_eq!(missing, (vec![7], Some(Loss { given: 3, read: 1 })));
        let mut cut = frame(8);
        cut.truncate(40);
        let cut = read(answer(&[frame(7), cut], "7,8"));
        assert_eq!(cut, (vec![7], Some(Loss { given: 2, read: 1 })));
    }

    #[test]
    fn a_message_of_a_queue_without_a_start_is_counted() {
        let mut stray = answer(&[frame(7)], "7");
        stray.add_ext_field("startOffsetInfo", "0 5 7");
        assert_eq!(read(stray), (Vec::new(), Some(Loss { given: 1, read: 0 })));
    }

    #[test]
    fn an_answer_without_messages_is_no_loss_and_a_refusal_is_a_failure() {
        let empty = RemotingCommand::create_remoting_command(ResponseCode::PollingTimeout as i32);
        let empty = empty.set_remark("NO_MESSAGE_IN_QUEUE");
        assert!(matches!(popped(empty, TOPIC, "broker-a"), Ok(Popped::Nothing)));
        let old = RemotingCommand::create_remoting_command(ResponseCode::PollingTimeout as i32)
            .set_remark("the broker[broker-a] pop message is timeout too much");
        assert!(popped(old, TOPIC, "broker-a").is_err(), "a refusal is not an empty topic");
        let full = RemotingCommand::create_remoting_command(ResponseCode::PollingFull as i32);
        assert!(matches!(popped(full, TOPIC, "broker-a"), Ok(Popped::PollingFull)));
        let gone = ResponseCode::SubscriptionGroupNotExist as i32;
        let refused = RemotingCommand::create_remoting_command(gone);
        let failure = popped(refused, TOPIC, "broker-a").err().unwrap();
        assert_eq!(failure.class, FailureClass::Permanent);
    }
}
