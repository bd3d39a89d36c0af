use std::collections::BTreeMap;

use bytes::Buf;

use super::parse_properties;
use super::properties::{NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR};

/// `MessageDecoder.MESSAGE_MAGIC_CODE` and its second version, in which the topic's length has two
/// bytes.
const MAGIC: i32 = -626_843_481;
const MAGIC_V2: i32 = -626_843_477;

/// The flags of addresses with 16 bytes instead of 4 (`MessageSysFlag.java`).
const BORN_HOST_V6: i32 = 0x10;
const STORE_HOST_V6: i32 = 0x20;

/// A message as a broker delivers it, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub queue_id: i32,
    pub queue_offset: i64,
    pub properties: BTreeMap<String, String>,
}

/// The messages in the body of an answer or of a check-back. It ends at the first one that is cut
/// off or has another form.
#[must_use]
pub fn messages(body: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut rest = body;
    while let Some((length, _)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((message, others)) = rest.split_at_checked(length.max(4)) else { break };
        let Some(message) = decode(message) else { break };
        messages.push(message);
        rest = others;
    }
    messages
}

/// In the form of `MessageDecoder.decode`.
fn decode(mut message: &[u8]) -> Option<Message> {
    let bytes = &mut message;
    let _length = bytes.try_get_i32().ok()?;
    let magic = bytes.try_get_i32().ok()?;
    let _checksum = bytes.try_get_i32().ok()?;
    let queue_id = bytes.try_get_i32().ok()?;
    let _flag = bytes.try_get_i32().ok()?;
    let queue_offset = bytes.try_get_i64().ok()?;
    let _physical_offset = bytes.try_get_i64().ok()?;
    let flags = bytes.try_get_i32().ok()?;
    let _born_at = bytes.try_get_i64().ok()?;
    skip(bytes, if flags & BORN_HOST_V6 == 0 { 8 } else { 20 })?;
    let _stored_at = bytes.try_get_i64().ok()?;
    skip(bytes, if flags & STORE_HOST_V6 == 0 { 8 } else { 20 })?;
    let _deliveries = bytes.try_get_i32().ok()?;
    let _prepared_offset = bytes.try_get_i64().ok()?;
    let body_length = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
    skip(bytes, body_length)?;
    let topic_length = match magic {
        MAGIC => usize::from(bytes.try_get_u8().ok()?),
        MAGIC_V2 => usize::from(bytes.try_get_u16().ok()?),
        _ => return None,
    };
    let topic = text(bytes, topic_length)?;
    let properties_length = usize::from(bytes.try_get_u16().ok()?);
    let properties = parse_properties(&text(bytes, properties_length)?);
    Some(Message { topic, queue_id, queue_offset, properties })
}

fn skip(bytes: &mut &[u8], length: usize) -> Option<()> {
    *bytes = bytes.get(length..)?;
    Some(())
}

fn text(bytes: &mut &[u8], length: usize) -> Option<String> {
    let text = bytes.get(..length)?.to_vec();
    skip(bytes, length)?;
    String::from_utf8(text).ok()
}

/// The values of one property in the messages of an answer to `POP_MESSAGE`, without the messages
/// that do not have it.
///
/// Each message begins with its length in 4 bytes, which includes these 4, and ends with its
/// properties (`MessageDecoder.java`). The part before them has a variable length, so the property
/// is searched from the end, by its name and the separator after it.
#[must_use]
pub fn popped(body: &[u8], property: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = body;
    while let Some((length, _)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((message, others)) = rest.split_at_checked(length.max(4)) else { break };
        values.extend(value_of(message, property));
        rest = others;
    }
    values
}

fn value_of(message: &[u8], property: &str) -> Option<String> {
    let name = format!("{property}{NAME_VALUE_SEPARATOR}").into_bytes();
    let begin = message.windows(name.len()).rposition(|bytes| bytes == name)? + name.len();
    let value = message.get(begin..)?;
    let end = value.iter().position(|byte| char::from(*byte) == PROPERTY_SEPARATOR);
    String::from_utf8(value.get(..end.unwrap_or(value.len()))?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::BufMut;

    use super::{BORN_HOST_V6, MAGIC, MAGIC_V2, Message, messages, popped};

    /// As `MessageDecoder.encode` writes it.
    fn stored(magic: i32, flags: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        [magic, 0, 3, 0].into_iter().for_each(|number| bytes.put_i32(number));
        [41, 4_096].into_iter().for_each(|number| bytes.put_i64(number));
        bytes.put_i32(flags);
        bytes.put_i64(0);
        bytes.put_bytes(0, if flags & BORN_HOST_V6 == 0 { 8 } else { 20 });
        bytes.put_i64(0);
        bytes.put_bytes(0, 8);
        bytes.put_i32(0);
        bytes.put_i64(0);
        bytes.put_i32(2);
        bytes.put_slice(b"{}");
        if magic == MAGIC {
            bytes.put_u8(6)
        } else {
            bytes.put_u16(6)
        }
        bytes.put_slice(b"EVENTS");
        let properties = b"event_id\x01one\x02";
        bytes.put_u16(u16::try_from(properties.len()).unwrap());
        bytes.put_slice(properties);
        let length = u32::try_from(4 + bytes.len()).unwrap();
        [length.to_be_bytes().as_slice(), &bytes].concat()
    }

    #[test]
    fn a_message_is_read_in_both_versions_and_with_both_kinds_of_addresses() {
        let expected = Message {
            topic: "EVENTS".to_owned(),
            queue_id: 3,
            queue_offset: 41,
            properties: BTreeMap::from([("event_id".to_owned(), "one".to_owned())]),
        };
        for (magic, flags) in [(MAGIC, 0), (MAGIC_V2, 0), (MAGIC, BORN_HOST_V6)] {
            let one = stored(magic, flags);
            let body = [one.as_slice(), &one, &one[..30]].concat();
            assert_eq!(messages(&body), [expected.clone(), expected.clone()]);
        }
        assert!(messages(&stored(7, 0)).is_empty());
        assert!(messages(b"text").is_empty());
    }

    fn message(properties: &str) -> Vec<u8> {
        let rest = [b"\xda\xa3\x20\xa7{\"id\":\"e\"}".as_slice(), properties.as_bytes()].concat();
        let length = u32::try_from(4 + rest.len()).unwrap();
        [length.to_be_bytes().as_slice(), &rest].concat()
    }

    #[test]
    fn the_property_of_each_message_in_a_batch_is_found() {
        let batch = [
            message("UNIQ_KEY\u{1}A\u{2}event_id\u{1}one\u{2}x\u{1}y\u{2}"),
            message("UNIQ_KEY\u{1}B\u{2}"),
            message("event_id\u{1}two"),
        ];
        assert_eq!(popped(&batch.concat(), "event_id"), ["one", "two"]);
    }

    #[test]
    fn messages_that_are_cut_off_are_left_out() {
        let whole = message("event_id\u{1}one\u{2}");
        let cut = message("event_id\u{1}two\u{2}");
        let body = [whole.as_slice(), &cut[..10]].concat();
        assert_eq!(popped(&body, "event_id"), ["one"]);
        assert!(popped(&[0, 0, 0, 0, 7], "event_id").is_empty());
    }
}
