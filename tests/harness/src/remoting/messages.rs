use super::properties::{NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR};

/// The values of one property in the messages of an answer to `POP_MESSAGE`. Messages without the
/// property are left out.
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
    use super::popped;

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
