//! The part of RocketMQ's remoting protocol that a proxy needs: reading and writing frames.
//!
//! It does not use the client's code, because the proxy must see the client's errors.

mod ask;
mod codec;
mod messages;
mod properties;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use ask::ask;
pub use codec::{FRAME_BYTES_MAX, read_frame};
pub use messages::{Message, messages, popped};
use properties::parse_properties;

/// Request codes (`RequestCode.java`) that tests use.
pub mod code {
    /// `SEND_MESSAGE`, also for half messages. The Rust client sends it.
    pub const SEND_MESSAGE: i32 = 10;
    /// `SEND_MESSAGE_V2`: the same with short names, which Java clients send.
    pub const SEND_MESSAGE_V2: i32 = 310;
    /// `QUERY_MESSAGE`: messages by key.
    pub const QUERY_MESSAGE: i32 = 12;
    /// `HEART_BEAT`.
    pub const HEART_BEAT: i32 = 34;
    /// `END_TRANSACTION`.
    pub const END_TRANSACTION: i32 = 37;
    /// `CHECK_TRANSACTION_STATE`: the broker's check-back, one-way.
    pub const CHECK_TRANSACTION_STATE: i32 = 39;
    /// `GET_ROUTEINFO_BY_TOPIC`, sent to a name server.
    pub const GET_ROUTEINFO_BY_TOPIC: i32 = 105;
    /// `GET_BROKER_CLUSTER_INFO`, sent to a name server.
    pub const GET_BROKER_CLUSTER_INFO: i32 = 106;
    /// `UPDATE_BROKER_CONFIG`.
    pub const UPDATE_BROKER_CONFIG: i32 = 25;
    /// `GET_TOPIC_CONFIG`.
    pub const GET_TOPIC_CONFIG: i32 = 351;
    /// `GET_SUBSCRIPTIONGROUP_CONFIG`.
    pub const GET_SUBSCRIPTIONGROUP_CONFIG: i32 = 352;
    /// `CONTROLLER_GET_SYNC_STATE_DATA`, sent to a controller.
    pub const CONTROLLER_GET_SYNC_STATE_DATA: i32 = 1006;
    /// `DELETE_TOPIC_IN_BROKER`.
    pub const DELETE_TOPIC_IN_BROKER: i32 = 215;
    /// `DELETE_TOPIC_IN_NAMESRV`.
    pub const DELETE_TOPIC_IN_NAMESRV: i32 = 216;
    /// `POP_MESSAGE`.
    pub const POP_MESSAGE: i32 = 200_050;
    /// `ACK_MESSAGE`.
    pub const ACK_MESSAGE: i32 = 200_051;
    /// `CHANGE_MESSAGE_INVISIBLETIME`.
    pub const CHANGE_MESSAGE_INVISIBLETIME: i32 = 200_053;
}

/// Answers' codes (`ResponseCode.java`).
pub mod status {
    /// `SUCCESS`.
    pub const SUCCESS: i32 = 0;
    /// `SYSTEM_ERROR`.
    pub const SYSTEM_ERROR: i32 = 1;
    /// `SYSTEM_BUSY`: the request waited for too long, or the broker accepts none at the moment. It
    /// was not begun (`BrokerFastFailure.java`, `NettyRemotingAbstract.java`).
    pub const SYSTEM_BUSY: i32 = 2;
    /// `FLUSH_DISK_TIMEOUT`: stored, but perhaps not on disk.
    pub const FLUSH_DISK_TIMEOUT: i32 = 10;
    /// `SLAVE_NOT_AVAILABLE`: stored, but without a replica.
    pub const SLAVE_NOT_AVAILABLE: i32 = 11;
    /// `FLUSH_SLAVE_TIMEOUT`: stored, but perhaps without a replica.
    pub const FLUSH_SLAVE_TIMEOUT: i32 = 12;
    /// `NO_PERMISSION`: refused before anything was done (`AuthorizationPipeline.java`,
    /// `AbstractSendMessageProcessor.java`).
    pub const NO_PERMISSION: i32 = 16;
    /// `TOPIC_NOT_EXIST`.
    pub const TOPIC_NOT_EXIST: i32 = 17;
    /// `MESSAGE_ILLEGAL`: it is too long, for one.
    pub const MESSAGE_ILLEGAL: i32 = 13;
    /// `SERVICE_NOT_AVAILABLE`: the disk is full, for one.
    pub const SERVICE_NOT_AVAILABLE: i32 = 14;
    /// `QUERY_NOT_FOUND`.
    pub const QUERY_NOT_FOUND: i32 = 22;
}

/// The flag of an answer.
const ANSWER: i32 = 1;
/// The flag of a request without an answer.
const ONE_WAY: i32 = 2;

/// The form of a frame's header. A frame keeps its form.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// JSON, with the members that [`Frame`] does not have.
    Json(serde_json::Map<String, serde_json::Value>),
    /// RocketMQ's own binary form, with the sender's language and version.
    Binary {
        /// The number in `LanguageCode.java`.
        language: u8,
        /// The number of the sender's version.
        version: i16,
    },
}

/// One frame: a request, or the answer to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The request code, or the status of an answer.
    pub code: i32,
    /// Bits: whether it is an answer, and whether it is one-way.
    pub flag: i32,
    /// The number of the request on its connection; the answer has the same number.
    pub opaque: i32,
    /// The error in words.
    pub remark: Option<String>,
    /// The fields of the request or of the answer.
    pub fields: BTreeMap<String, String>,
    /// The bytes after the header, such as a message.
    pub body: Bytes,
    /// The form of the header.
    pub encoding: Encoding,
}

impl Frame {
    /// A new request.
    #[must_use]
    pub fn request(code: i32, opaque: i32, fields: BTreeMap<String, String>) -> Self {
        let rest = [("language", "RUST".into()), ("version", 0.into())];
        let rest = rest.map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value));
        Self {
            code,
            flag: 0,
            opaque,
            remark: None,
            fields,
            body: Bytes::new(),
            encoding: Encoding::Json(rest.into_iter().collect()),
        }
    }

    /// An answer to this request instead of the other side's.
    #[must_use]
    pub fn answer(&self, code: i32, remark: &str) -> Self {
        Self {
            code,
            flag: ANSWER,
            opaque: self.opaque,
            remark: Some(remark.to_owned()),
            fields: BTreeMap::new(),
            body: Bytes::new(),
            encoding: self.encoding.clone(),
        }
    }

    /// Whether it is an answer.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.flag & ANSWER != 0
    }

    /// Whether it is a request without an answer.
    #[must_use]
    pub fn is_one_way(&self) -> bool {
        self.flag & ONE_WAY != 0
    }

    /// The properties of the message in a send request.
    #[must_use]
    pub fn message_properties(&self) -> BTreeMap<String, String> {
        let text = match self.code {
            code::SEND_MESSAGE => self.field("properties"),
            code::SEND_MESSAGE_V2 => self.field("i"),
            _ => None,
        };
        parse_properties(text.unwrap_or_default())
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}
