//! The identifiers of dead letters. That of an event is its `event_id`; that of a message which
//! can't be read never has the form of one.

use std::fmt;

use domain::identity::EventId;
use sha2::{Digest, Sha256};

/// The longest identifier of a message, in characters. The key of an item may be much longer (2,048
/// bytes in `DynamoDB`); an operator has to type it.
const LENGTH_MAX: usize = 255;

/// How a digest begins that stands for a name.
const DIGEST: &str = "sha256-";

/// The identifier of a message: 1 to 255 visible ASCII characters, and never an event's identifier.
///
/// A producer may choose the name of its message, and the broker makes one only for a message
/// without a name (`SendMessageProcessor.java`). The letter of a message that can't be read is
/// stored under this identifier, so it must fit into a key, an operator must be able to type it,
/// and it must not be the identifier of an event, whose letter would be replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// The identifier of the message with this name: the name itself if it is valid, otherwise
    /// `sha256-` and a digest of it. Each delivery of a message has the same one.
    pub fn of(name: &str) -> Self {
        Self::parse(name)
            .unwrap_or_else(|_| Self(format!("{DIGEST}{}", hexadecimal(&Sha256::digest(name)))))
    }

    /// The identifier of a message by its name and its body as it lies on the topic: the name, a
    /// hyphen, and the first 8 digits of the body's SHA-256. Names alone are not enough: a client
    /// makes them of its address, its process number, the time and a counter
    /// (`message_client_id_setter.rs` of rocketmq-model 1.0.0), which processes on Lambda share.
    pub fn of_delivery(name: &str, body: &[u8]) -> Self {
        Self::of(&format!("{name}-{:.8}", hexadecimal(&Sha256::digest(body))))
    }

    /// Reads an identifier that [`Self::of`] or [`Self::of_delivery`] made.
    ///
    /// # Errors
    ///
    /// [`InvalidDeadLetterId`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidDeadLetterId> {
        let fits = (1..=LENGTH_MAX).contains(&text.len());
        let valid = fits && text.bytes().all(|b| b.is_ascii_graphic()) && event_id(text).is_none();
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidDeadLetterId) }
    }

    /// The identifier as text, which [`Self::parse`] reads.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The event that a text names in the form in which letters name events, in capitals or not.
/// RocketMQ's own names of messages are 32 hexadecimal digits, which are a UUID in another form.
fn event_id(text: &str) -> Option<EventId> {
    text.parse().ok().filter(|id: &EventId| id.to_string().eq_ignore_ascii_case(text))
}

/// The identifier of a dead letter: the event's id if the letter is of an event, otherwise the
/// message's. No two of them are the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId(String);

/// A text is not a dead letter's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an event's id or a message's id: 1 to 255 visible ASCII characters")]
pub struct InvalidDeadLetterId;

impl DeadLetterId {
    /// That of an event's letter.
    pub fn of_event(event_id: EventId) -> Self {
        Self(event_id.to_string())
    }

    /// That of the letter of a message that can't be read.
    pub fn of_message(message_id: &MessageId) -> Self {
        Self(message_id.as_str().to_owned())
    }

    /// Reads an id: an event's, in capitals or not, or a message's.
    ///
    /// # Errors
    ///
    /// [`InvalidDeadLetterId`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidDeadLetterId> {
        match event_id(text) {
            Some(event_id) => Ok(Self::of_event(event_id)),
            None => MessageId::parse(text).map(|message_id| Self::of_message(&message_id)),
        }
    }

    /// The id as text, which [`Self::parse`] reads.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn an_id_is_of_visible_characters() {
        for id in [EVENT, "7F00000100002A9F00000000000012AB", &"x".repeat(255)] {
            assert_eq!(DeadLetterId::parse(id).unwrap().as_str(), id);
        }
        for text in ["", "two words", "ümlaut", "tab\t", &"x".repeat(256)] {
            assert_eq!(DeadLetterId::parse(text), Err(InvalidDeadLetterId), "{text:?}");
        }
        assert_eq!(DeadLetterId::parse(&EVENT.to_uppercase()).unwrap().as_str(), EVENT);
    }

    #[test]
    fn a_message_keeps_a_name_that_a_letter_can_have() {
        let simple = EVENT.replace('-', "");
        // Forms of a UUID in which no letter names its event.
        let (braced, urn) = (format!("{{{EVENT}}}"), format!("urn:uuid:{EVENT}"));
        let longest = "x".repeat(255);
        for name in ["7F00000100002A9F00000000000012AB", "x", &longest, &simple, &braced, &urn] {
            assert_eq!(MessageId::of(name).as_str(), name);
        }
    }

    #[test]
    fn messages_of_one_name_differ_by_their_bodies() {
        let id = MessageId::of_delivery("7F00000100002A9F", b"abc");
        assert_eq!(id.as_str(), "7F00000100002A9F-ba7816bf");
        assert_ne!(MessageId::of_delivery("7F00000100002A9F", b"abd"), id);
        let long = MessageId::of_delivery(&"x".repeat(300), b"abc");
        assert!(long.as_str().starts_with(DIGEST));
        assert_ne!(MessageId::of_delivery(&"x".repeat(300), b"abd"), long);
    }

    #[test]
    fn any_other_name_is_replaced_by_its_digest() {
        let long = "x".repeat(40_000);
        for name in ["", "two words", "ümlaut", "tab\t", &"x".repeat(256), &long] {
            let id = MessageId::of(name);
            assert!(id.as_str().starts_with(DIGEST), "{id}");
            assert_eq!(MessageId::of(name), id, "each delivery has the same");
            assert_eq!(MessageId::parse(id.as_str()), Ok(id.clone()));
            assert_eq!(DeadLetterId::parse(id.as_str()), Ok(DeadLetterId::of_message(&id)));
            assert_eq!(id.as_str().len(), DIGEST.len() + 64);
        }
        let abc = "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_ne!(MessageId::of("abc").as_str(), abc, "it needs no digest");
        assert_ne!(MessageId::of(&"x".repeat(256)), MessageId::of(&"x".repeat(257)));
    }

    #[test]
    fn no_name_of_a_message_makes_the_id_of_an_event() {
        let event_id: EventId = EVENT.parse().unwrap();
        let mixed = EVENT.replace('a', "A");
        let (upper, simple) = (EVENT.to_uppercase(), EVENT.replace('-', ""));
        let (braced, urn) = (format!("{{{EVENT}}}"), format!("urn:uuid:{EVENT}"));
        for name in [EVENT, &upper, &mixed, &simple, &simple.to_uppercase(), &braced, &urn] {
            let id = DeadLetterId::of_message(&MessageId::of(name));
            assert_ne!(id, DeadLetterId::of_event(event_id), "{name}");
            assert_eq!(DeadLetterId::parse(id.as_str()), Ok(id));
        }
        for name in [EVENT, &upper, &mixed] {
            assert!(MessageId::of(name).as_str().starts_with(DIGEST), "{name}");
        }
    }
}
