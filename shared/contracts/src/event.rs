//! The events: CloudEvents 1.0 in JSON.
//!
//! An event reaches a subscriber at least once, under the same `id` each time, and events of one
//! order or of one user may arrive in any order: `aggregate_version` gives their sequence.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// The version of the CloudEvents specification.
pub const SPEC_VERSION: &str = "1.0";

/// The version of the payloads in this module. It rises when a subscriber that reads the old ones
/// could misunderstand the new ones; added members don't raise it, and readers ignore them.
pub const SCHEMA_VERSION: u32 = 1;

/// The `source` of every event.
pub const SOURCE: &str = "urn:order-service";

/// The types of events, which are also the tags of their messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// An order was created.
    OrderCreated,
    /// An order's stock is reserved.
    OrderConfirmed,
    /// There was not enough stock for an order, or its account would have held too many open units.
    OrderRejected,
    /// An order was cancelled by its user.
    OrderCancelled,
    /// A user registered an account.
    UserRegistered,
    /// A user logged in with the password.
    UserLoggedIn,
    /// A user deleted the account.
    UserDeleted,
    /// A mail to confirm an account's address was requested.
    EmailConfirmationRequested,
    /// A user requested another address, which replaces the old one once it is confirmed.
    EmailChangeRequested,
    /// A mail to reset an account's password was requested.
    PasswordResetRequested,
}

impl EventType {
    /// Every type, those of orders before those of users.
    pub const ALL: [Self; 10] = [
        Self::OrderCreated,
        Self::OrderConfirmed,
        Self::OrderRejected,
        Self::OrderCancelled,
        Self::UserRegistered,
        Self::UserLoggedIn,
        Self::UserDeleted,
        Self::EmailConfirmationRequested,
        Self::EmailChangeRequested,
        Self::PasswordResetRequested,
    ];

    /// The type's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderCreated => "OrderCreated",
            Self::OrderConfirmed => "OrderConfirmed",
            Self::OrderRejected => "OrderRejected",
            Self::OrderCancelled => "OrderCancelled",
            Self::UserRegistered => "UserRegistered",
            Self::UserLoggedIn => "UserLoggedIn",
            Self::UserDeleted => "UserDeleted",
            Self::EmailConfirmationRequested => "EmailConfirmationRequested",
            Self::EmailChangeRequested => "EmailChangeRequested",
            Self::PasswordResetRequested => "PasswordResetRequested",
        }
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event_type| event_type.as_str() == name)
    }
}

/// A decoded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's identifier: two messages with the same one are copies of the same event.
    pub id: Uuid,
    /// When it happened.
    pub time: Timestamp,
    /// What happened to which order or user.
    pub data: EventData,
}

/// The data of an event, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventData {
    /// An order was created.
    OrderCreated(OrderCreated),
    /// An order's stock is reserved.
    OrderConfirmed(OrderChanged),
    /// There was not enough stock for an order, or its account would have held too many open units.
    OrderRejected(OrderChanged),
    /// An order was cancelled by its user.
    OrderCancelled(OrderChanged),
    /// A user registered an account.
    UserRegistered(UserChanged),
    /// A user logged in with the password.
    UserLoggedIn(UserChanged),
    /// A user deleted the account.
    UserDeleted(UserChanged),
    /// A mail to confirm an account's address was requested.
    EmailConfirmationRequested(UserChanged),
    /// A user requested another address, which replaces the old one once it is confirmed.
    EmailChangeRequested(UserChanged),
    /// A mail to reset an account's password was requested.
    PasswordResetRequested(UserChanged),
}

/// The data that every order event has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderChanged {
    /// The order's identifier, which is also the event's `subject`.
    pub order_id: Uuid,
    /// The user who ordered.
    pub user_id: u64,
    /// The order's version with this event, counted from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub aggregate_version: u32,
    /// The status that the order reached with this event.
    pub status: String,
}

/// The data of every user event. None of it is personal: what is on a topic can't be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserChanged {
    /// The user's number, which is also the event's `subject`.
    pub user_id: u64,
    /// The account's version with this event, counted from 1. A request for a mail changes no
    /// account, so its event has the version that the account has at that time.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub aggregate_version: u32,
}

/// The data of the first event of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderCreated {
    /// What every order event has: the order, its user, version and status.
    #[serde(flatten)]
    pub order: OrderChanged,
    /// Its lines, one per product, sorted by product.
    pub items: Vec<Item>,
    /// The ISO 4217 code of all amounts.
    pub currency: String,
    /// The sum of the lines, in minor units.
    pub total: u64,
}

/// A line of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Item {
    /// The product.
    pub product_id: u64,
    /// How many items: 1 to 999.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 999)))]
    pub quantity: u16,
    /// The price of one item, in minor units.
    pub unit_price: u64,
}

impl EventData {
    /// Its type.
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::OrderCreated(_) => EventType::OrderCreated,
            Self::OrderConfirmed(_) => EventType::OrderConfirmed,
            Self::OrderRejected(_) => EventType::OrderRejected,
            Self::OrderCancelled(_) => EventType::OrderCancelled,
            Self::UserRegistered(_) => EventType::UserRegistered,
            Self::UserLoggedIn(_) => EventType::UserLoggedIn,
            Self::UserDeleted(_) => EventType::UserDeleted,
            Self::EmailConfirmationRequested(_) => EventType::EmailConfirmationRequested,
            Self::EmailChangeRequested(_) => EventType::EmailChangeRequested,
            Self::PasswordResetRequested(_) => EventType::PasswordResetRequested,
        }
    }

    /// The data that every order event has; `None` for a user event.
    pub const fn order(&self) -> Option<&OrderChanged> {
        match self {
            Self::OrderCreated(created) => Some(&created.order),
            Self::OrderConfirmed(changed)
            | Self::OrderRejected(changed)
            | Self::OrderCancelled(changed) => Some(changed),
            Self::UserRegistered(_)
            | Self::UserLoggedIn(_)
            | Self::UserDeleted(_)
            | Self::EmailConfirmationRequested(_)
            | Self::EmailChangeRequested(_)
            | Self::PasswordResetRequested(_) => None,
        }
    }

    /// The version that the order or the account has with the event, counted from 1.
    pub const fn aggregate_version(&self) -> u32 {
        match self {
            Self::OrderCreated(created) => created.order.aggregate_version,
            Self::OrderConfirmed(changed)
            | Self::OrderRejected(changed)
            | Self::OrderCancelled(changed) => changed.aggregate_version,
            Self::UserRegistered(user)
            | Self::UserLoggedIn(user)
            | Self::UserDeleted(user)
            | Self::EmailConfirmationRequested(user)
            | Self::EmailChangeRequested(user)
            | Self::PasswordResetRequested(user) => user.aggregate_version,
        }
    }

    /// The identifier of the order or the user that the data is about.
    pub fn subject(&self) -> String {
        match self {
            Self::OrderCreated(created) => created.order.order_id.to_string(),
            Self::OrderConfirmed(changed)
            | Self::OrderRejected(changed)
            | Self::OrderCancelled(changed) => changed.order_id.to_string(),
            Self::UserRegistered(user)
            | Self::UserLoggedIn(user)
            | Self::UserDeleted(user)
            | Self::EmailConfirmationRequested(user)
            | Self::EmailChangeRequested(user)
            | Self::PasswordResetRequested(user) => user.user_id.to_string(),
        }
    }
}

/// Why bytes can't be read as an event by this version.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a `CloudEvent` in JSON, or a member is missing or of the wrong type.
    #[error("not a CloudEvent of the order service")]
    Malformed(#[source] serde_json::Error),
    /// Another version of CloudEvents.
    #[error("specversion {0:?} is not {SPEC_VERSION:?}")]
    SpecVersion(String),
    /// A version of the payloads that this code doesn't read: a newer one, or none that ever was.
    #[error("schema version {0} is not {SCHEMA_VERSION}")]
    SchemaVersion(u32),
    /// A type that this code doesn't know.
    #[error("the type {0:?} is unknown")]
    UnknownType(String),
}

impl DecodeError {
    /// Whether newer code may be able to read the event, so that it is worth waiting for.
    pub fn may_be_newer(&self) -> bool {
        match self {
            Self::SpecVersion(version) => numbers(version) > numbers(SPEC_VERSION),
            Self::SchemaVersion(version) => *version > SCHEMA_VERSION,
            Self::UnknownType(_) => true,
            Self::Malformed(_) => false,
        }
    }
}

/// The major and the minor version of CloudEvents, such as `1.0`; `None` if a text is not of that
/// form.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Event {
    /// The event as bytes of JSON.
    ///
    /// # Errors
    ///
    /// None of this module's types makes `serde_json` fail; the error is returned so that no caller
    /// has to rely on that.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let data = match &self.data {
            EventData::OrderCreated(created) => serde_json::to_value(created),
            EventData::OrderConfirmed(changed)
            | EventData::OrderRejected(changed)
            | EventData::OrderCancelled(changed) => serde_json::to_value(changed),
            EventData::UserRegistered(user)
            | EventData::UserLoggedIn(user)
            | EventData::UserDeleted(user)
            | EventData::EmailConfirmationRequested(user)
            | EventData::EmailChangeRequested(user)
            | EventData::PasswordResetRequested(user) => serde_json::to_value(user),
        }?;
        serde_json::to_vec(&Envelope {
            specversion: SPEC_VERSION.to_owned(),
            id: self.id,
            source: SOURCE.to_owned(),
            event_type: self.data.event_type().as_str().to_owned(),
            subject: Some(self.data.subject()),
            time: self.time,
            datacontenttype: Some("application/json".to_owned()),
            schemaversion: SCHEMA_VERSION,
            data,
        })
    }

    /// Reads an event. Unknown members are ignored.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if this version can't read it; trying again won't help.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(DecodeError::Malformed)?;
        if envelope.specversion != SPEC_VERSION {
            return Err(DecodeError::SpecVersion(envelope.specversion));
        }
        if envelope.schemaversion != SCHEMA_VERSION {
            return Err(DecodeError::SchemaVersion(envelope.schemaversion));
        }
        let Some(event_type) = EventType::from_name(&envelope.event_type) else {
            return Err(DecodeError::UnknownType(envelope.event_type));
        };
        let data = decode_data(event_type, envelope.data).map_err(DecodeError::Malformed)?;
        Ok(Self { id: envelope.id, time: envelope.time, data })
    }
}

fn decode_data(
    event_type: EventType,
    data: serde_json::Value,
) -> Result<EventData, serde_json::Error> {
    Ok(match event_type {
        EventType::OrderCreated => EventData::OrderCreated(serde_json::from_value(data)?),
        EventType::OrderConfirmed => EventData::OrderConfirmed(serde_json::from_value(data)?),
        EventType::OrderRejected => EventData::OrderRejected(serde_json::from_value(data)?),
        EventType::OrderCancelled => EventData::OrderCancelled(serde_json::from_value(data)?),
        EventType::UserRegistered => EventData::UserRegistered(serde_json::from_value(data)?),
        EventType::UserLoggedIn => EventData::UserLoggedIn(serde_json::from_value(data)?),
        EventType::UserDeleted => EventData::UserDeleted(serde_json::from_value(data)?),
        EventType::EmailConfirmationRequested => {
            EventData::EmailConfirmationRequested(serde_json::from_value(data)?)
        }
        EventType::EmailChangeRequested => {
            EventData::EmailChangeRequested(serde_json::from_value(data)?)
        }
        EventType::PasswordResetRequested => {
            EventData::PasswordResetRequested(serde_json::from_value(data)?)
        }
    })
}

/// CloudEvents 1.0, JSON event format, structured mode. `schemaversion` is an extension attribute,
/// whose names have neither capitals nor underscores.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Envelope {
    specversion: String,
    /// Two messages with the same one are copies of the same event.
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    /// The identifier of the order or the user that the event is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// When it happened.
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<String>,
    schemaversion: u32,
    data: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn created() -> Event {
        Event {
            id: Uuid::from_u128(7),
            time: Timestamp::from_millis(1_767_268_800_125),
            data: EventData::OrderCreated(OrderCreated {
                order: OrderChanged {
                    order_id: Uuid::from_u128(8),
                    user_id: 123,
                    aggregate_version: 1,
                    status: "CREATED".to_owned(),
                },
                items: vec![Item { product_id: 1, quantity: 2, unit_price: 1_250 }],
                currency: "EUR".to_owned(),
                total: 2_500,
            }),
        }
    }

    fn edited(edit: impl Fn(&mut serde_json::Value)) -> Result<Event, DecodeError> {
        let mut json = serde_json::from_slice(&created().encode().unwrap()).unwrap();
        edit(&mut json);
        Event::decode(json.to_string().as_bytes())
    }

    #[test]
    fn an_event_is_decoded_as_it_was_encoded() {
        let user = UserChanged { user_id: 123, aggregate_version: 2 };
        let logged_in = Event { data: EventData::UserLoggedIn(user), ..created() };
        let deleted = Event { data: EventData::UserDeleted(user), ..created() };
        let reset = Event { data: EventData::PasswordResetRequested(user), ..created() };
        for event in [created(), logged_in, deleted, reset] {
            assert_eq!(Event::decode(&event.encode().unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn unknown_members_are_ignored() {
        let read = edited(|json| json["data"]["gift"] = true.into()).unwrap();
        assert_eq!(read, created());
    }

    #[test]
    fn what_this_version_does_not_understand_is_an_error_that_says_so() {
        for (version, is_newer) in [(2, true), (0, false)] {
            let error = edited(|json| json["schemaversion"] = version.into()).unwrap_err();
            assert_eq!(error.to_string(), format!("schema version {version} is not 1"));
            assert_eq!(error.may_be_newer(), is_newer, "{version}");
        }
        let error = edited(|json| json["type"] = "OrderPainted".into()).unwrap_err();
        assert_eq!(error.to_string(), "the type \"OrderPainted\" is unknown");
        assert!(error.may_be_newer());
        assert!(matches!(
            edited(|json| json["data"]["total"] = "x".into()),
            Err(DecodeError::Malformed(_))
        ));
        for (version, is_newer) in
            [("0.3", false), ("1.1", true), ("2.0", true), ("two", false), ("2", false)]
        {
            let error = edited(|json| json["specversion"] = version.into()).unwrap_err();
            assert!(matches!(error, DecodeError::SpecVersion(_)), "{version}");
            assert_eq!(error.may_be_newer(), is_newer, "{version}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            prop_assert!(Event::decode(&bytes).is_err());
        }

        /// What is read of a changed event is what is written of it.
        #[test]
        fn an_event_with_a_changed_byte_is_refused_or_read_as_it_says(
            at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
        ) {
            let mut bytes = created().encode().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            if let Ok(read) = Event::decode(&bytes) {
                prop_assert_eq!(Event::decode(&read.encode().unwrap()).unwrap(), read);
            }
        }
    }
}
