//! The question for a topic's route in `RocketMQ`'s remoting protocol, and its answer.
//!
//! A frame is the length of the rest in four bytes, a word with the header's form in the top byte
//! and the header's length in the other three, the header, and the body (`RemotingCommand.java`).

use serde_json::{Value, json};

use crate::cluster::TopicName;

/// `GET_ROUTEINFO_BY_TOPIC` (`RequestCode.java`).
const GET_ROUTE: i32 = 105;

/// The number of the request, which its answer repeats.
const OPAQUE: i64 = 1;

/// The bit of the flag that marks an answer.
const IS_ANSWER: i64 = 1;

/// The header is JSON.
const JSON: u8 = 0;
/// The header is in `RocketMQ`'s own form (`RocketMQSerializable.java`), in which a server answers
/// that was configured so, whatever the form of the request.
const BINARY: u8 = 1;

/// Codes of answers (`ResponseCode.java`).
const SUCCESS: i64 = 0;
/// No broker with the topic is registered.
const TOPIC_NOT_EXIST: i64 = 17;

/// A queue takes messages (`PermName.java`).
const WRITABLE: i64 = 2;

/// The id of a broker's master (`MixAll.MASTER_ID`).
const MASTER: &str = "0";

/// An answer says nothing of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RouteError {
    #[error("it is not an answer of RocketMQ")]
    Malformed,
    #[error("its code is {0}")]
    Refused(i64),
}

/// The frame that asks for the route of a topic.
pub(super) fn request(topic: &TopicName) -> Vec<u8> {
    // Without the second field, the keys of a map are numbers, which is no JSON
    // (`ClientRequestProcessor.java`).
    let fields = json!({"topic": topic.as_str(), "acceptStandardJsonOnly": "true"});
    let header = json!({
        "code": GET_ROUTE,
        "language": "RUST",
        "version": 0,
        "opaque": OPAQUE,
        "flag": 0,
        "extFields": fields,
    });
    let header = header.to_string().into_bytes();
    // A topic's name is short, and the form of JSON is 0, so the length alone is the word.
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(8 + header.len());
    frame.extend(length.saturating_add(4).to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame.extend(header);
    frame
}

/// Whether a broker of the topic takes messages: it has a master, and a queue that can be written.
///
/// A replica that acts as a master has no such queue (`RouteInfoManager.pickupTopicRouteData`), and
/// neither has a broker that was closed for writing. `answer` is a frame without its length.
pub(super) fn takes_messages(answer: &[u8]) -> Result<bool, RouteError> {
    let (word, rest) = answer.split_first_chunk::<4>().ok_or(RouteError::Malformed)?;
    let [form, high, middle, low] = *word;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let length = usize::try_from(length).map_err(|_| RouteError::Malformed)?;
    let (header, body) = rest.split_at_checked(length).ok_or(RouteError::Malformed)?;
    let code = match form {
        JSON => json_code(header),
        BINARY => binary_code(header),
        _ => None,
    };
    match code.ok_or(RouteError::Malformed)? {
        SUCCESS => {
            let route = serde_json::from_slice(body).map_err(|_| RouteError::Malformed)?;
            has_master(&route).ok_or(RouteError::Malformed)
        }
        TOPIC_NOT_EXIST => Ok(false),
        code => Err(RouteError::Refused(code)),
    }
}

/// The code of our request's answer.
fn json_code(header: &[u8]) -> Option<i64> {
    let header: Value = serde_json::from_slice(header).ok()?;
    let number = |name: &str| header.get(name).and_then(Value::as_i64);
    answer_code(number("code")?, number("opaque")?, number("flag")?)
}

/// The code in two bytes, the language in one, the version in two, the request's number and the
/// flag in four each.
fn binary_code(header: &[u8]) -> Option<i64> {
    let (code, rest) = header.split_first_chunk::<2>()?;
    let (_, rest) = rest.split_first_chunk::<3>()?;
    let (opaque, rest) = rest.split_first_chunk::<4>()?;
    let flag = i32::from_be_bytes(*rest.first_chunk::<4>()?);
    let opaque = i32::from_be_bytes(*opaque);
    answer_code(i16::from_be_bytes(*code).into(), opaque.into(), flag.into())
}

fn answer_code(code: i64, opaque: i64, flag: i64) -> Option<i64> {
    (opaque == OPAQUE && flag & IS_ANSWER != 0).then_some(code)
}

/// `None` for another form than that of `TopicRouteData.java`.
fn has_master(route: &Value) -> Option<bool> {
    let brokers = route.get("brokerDatas")?.as_array()?;
    let queues = route.get("queueDatas")?.as_array()?;
    let number =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).unwrap_or_default();
    let is_written = |broker: Option<&Value>| {
        queues.iter().any(|queue| {
            broker.is_some()
                && queue.get("brokerName") == broker
                && number(queue, "perm") & WRITABLE != 0
                && number(queue, "writeQueueNums") > 0
        })
    };
    let takes_messages = |broker: &Value| {
        broker.get("brokerAddrs").is_some_and(|addresses| addresses.get(MASTER).is_some())
            && is_written(broker.get("brokerName"))
    };
    Some(brokers.iter().any(takes_messages))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// A whole frame, as a name server sends it.
    pub(crate) fn answer(code: i32, body: &[u8]) -> Vec<u8> {
        let header =
            json!({"code": code, "flag": 1, "language": "JAVA", "opaque": 1, "version": 500});
        framed(JSON, header.to_string().as_bytes(), body)
    }

    fn framed(form: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(header.len()).unwrap();
        let whole = u32::try_from(4 + header.len() + body.len()).unwrap();
        let word = u32::from(form) << 24 | length;
        [&whole.to_be_bytes(), &word.to_be_bytes(), header, body].concat()
    }

    fn read(frame: &[u8]) -> Result<bool, RouteError> {
        takes_messages(&frame[4..])
    }

    fn route(addresses: &Value, permission: i32, queues: i32) -> Vec<u8> {
        json!({
            "brokerDatas": [{"brokerAddrs": addresses, "brokerName": "a", "cluster": "c"}],
            "filterServerTable": {},
            "queueDatas": [
                {"brokerName": "a", "perm": permission, "readQueueNums": 4, "topicSysFlag": 0, "writeQueueNums": queues},
            ],
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_request_is_a_frame_with_a_json_header() {
        let frame = request(&TopicName::parse("ORDER_EVENTS").unwrap());
        let length = usize::try_from(u32::from_be_bytes(frame[..4].try_into().unwrap())).unwrap();
        assert_eq!(length, frame.len() - 4);
        let word = u32::from_be_bytes(frame[4..8].try_into().unwrap());
        assert_eq!(usize::try_from(word).unwrap(), frame.len() - 8);
        let header: Value = serde_json::from_slice(&frame[8..]).unwrap();
        assert_eq!((&header["code"], &header["flag"]), (&json!(105), &json!(0)));
        assert_eq!(header["extFields"]["topic"], "ORDER_EVENTS");
    }

    #[test]
    fn a_master_with_a_queue_that_can_be_written_takes_messages() {
        let (master, replica) = (json!({"0": "a:1", "1": "b:1"}), json!({"1": "b:1"}));
        for (body, expected) in [
            (route(&master, 6, 4), true),
            (route(&master, 2, 4), true),
            (route(&replica, 6, 4), false),
            // Closed for writing, or a replica that acts as a master.
            (route(&master, 4, 4), false),
            (route(&master, 6, 0), false),
            (br#"{"brokerDatas":[],"queueDatas":[]}"#.to_vec(), false),
            // Queues of another broker.
            (
                br#"{"brokerDatas":[{"brokerAddrs":{"0":"a:1"},"brokerName":"a"}],"queueDatas":[{"brokerName":"b","perm":6,"writeQueueNums":4}]}"#.to_vec(),
                false,
            ),
        ] {
            assert_eq!(read(&answer(0, &body)), Ok(expected), "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn a_header_in_the_binary_form_is_understood() {
        let header = |code: i16, opaque: i32, flag: i32| {
            let empty = [0_u8; 8];
            [
                &code.to_be_bytes()[..],
                &[0, 1, 2],
                &opaque.to_be_bytes(),
                &flag.to_be_bytes(),
                &empty,
            ]
            .concat()
        };
        let body = route(&json!({"0": "a:1"}), 6, 4);
        assert_eq!(read(&framed(BINARY, &header(0, 1, 1), &body)), Ok(true));
        assert_eq!(read(&framed(BINARY, &header(17, 1, 1), b"")), Ok(false));
        assert_eq!(read(&framed(BINARY, &header(0, 2, 1), &body)), Err(RouteError::Malformed));
        assert_eq!(read(&framed(BINARY, b"\0\0", b"")), Err(RouteError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(answer in collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(takes_messages(&answer).is_err());
        }

        #[test]
        fn a_damaged_answer_is_read_or_refused(
            damages in collection::vec((any::<Index>(), any::<u8>()), 1..4),
        ) {
            let mut frame = answer(0, &route(&json!({"0": "a:1"}), 6, 4));
            for (at, byte) in damages {
                *at.get_mut(&mut frame[4..]) = byte;
            }
            // No panic.
            let _read_or_refused = read(&frame);
        }
    }

    #[test]
    fn anything_else_is_no_route() {
        let body = route(&json!({"0": "a:1"}), 6, 4);
        let header = |opaque: i32, flag: i32| {
            json!({"code": 0, "opaque": opaque, "flag": flag}).to_string().into_bytes()
        };
        for frame in [
            framed(JSON, &header(2, 1), &body),
            // A request.
            framed(JSON, &header(1, 0), &body),
            framed(JSON, b"{}", &body),
            framed(2, &header(1, 1), &body),
            answer(0, b""),
            answer(0, b"{}"),
            answer(0, b"[1]"),
            // Numbers as keys, as without the field of the request.
            answer(0, br#"{"brokerDatas":[{"brokerAddrs":{0:"a:1"}}],"queueDatas":[]}"#),
        ] {
            assert_eq!(read(&frame), Err(RouteError::Malformed));
        }
        let whole = answer(0, &body);
        for length in 4..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut off after {length} bytes");
        }
        assert_eq!(read(&answer(1, b"")), Err(RouteError::Refused(1)));
    }
}
