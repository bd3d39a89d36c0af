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
    /// Also for half messages. The Rust client sends it.
    pub const SEND_MESSAGE: i32 = 10;
    /// The same with short names; Java clients send it.
    pub const SEND_MESSAGE_V2: i32 = 310;
    /// Messages by key.
    pub const QUERY_MESSAGE: i32 = 12;
    pub const HEART_BEAT: i32 = 34;
    pub const END_TRANSACTION: i32 = 37;
    /// The broker's check-back, one-way.
    pub const CHECK_TRANSACTION_STATE: i32 = 39;
    /// Sent to a name server.
    pub const GET_ROUTEINFO_BY_TOPIC: i32 = 105;
    /// Sent to a name server.
    pub const GET_BROKER_CLUSTER_INFO: i32 = 106;
    pub const UPDATE_BROKER_CONFIG: i32 = 25;
    /// All settings of a broker.
    pub const GET_BROKER_CONFIG: i32 = 26;
    pub const GET_TOPIC_CONFIG: i32 = 351;
    pub const GET_SUBSCRIPTIONGROUP_CONFIG: i32 = 352;
    /// Sent to a controller.
    pub const CONTROLLER_GET_SYNC_STATE_DATA: i32 = 1006;
    /// Sets a group's position on a topic (`INVOKE_BROKER_TO_RESET_OFFSET`).
    pub const RESET_OFFSET: i32 = 222;
    pub const DELETE_TOPIC_IN_BROKER: i32 = 215;
    pub const DELETE_TOPIC_IN_NAMESRV: i32 = 216;
    pub const POP_MESSAGE: i32 = 200_050;
    pub const ACK_MESSAGE: i32 = 200_051;
    pub const CHANGE_MESSAGE_INVISIBLETIME: i32 = 200_053;
}

/// Answers' codes (`ResponseCode.java`).
pub mod status {
    pub const SUCCESS: i32 = 0;
    pub const SYSTEM_ERROR: i32 = 1;
    /// The request waited for too long, or the broker accepts none at the moment. It was not begun
    /// (`BrokerFastFailure.java`, `NettyRemotingAbstract.java`).
    pub const SYSTEM_BUSY: i32 = 2;
    /// Stored, but perhaps not on disk.
    pub const FLUSH_DISK_TIMEOUT: i32 = 10;
    /// Stored, but without a replica.
    pub const SLAVE_NOT_AVAILABLE: i32 = 11;
    /// Stored, but perhaps without a replica.
    pub const FLUSH_SLAVE_TIMEOUT: i32 = 12;
    /// Refused before anything was done (`AuthorizationPipeline.java`,
    /// `AbstractSendMessageProcessor.java`).
    pub const NO_PERMISSION: i32 = 16;
    pub const TOPIC_NOT_EXIST: i32 = 17;
    /// The broker does not accept the message; for example, it is too long.
    pub const MESSAGE_ILLEGAL: i32 = 13;
    /// For example, the disk is full.
    pub const SERVICE_NOT_AVAILABLE: i32 = 14;
    pub const QUERY_NOT_FOUND: i32 = 22;
}

/// For the flag of an answer.
const ANSWER: i32 = 1;
/// For the flag of a request without an answer.
const ONE_WAY: i32 = 2;

/// How a frame's header is encoded. A frame keeps its encoding.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// JSON, with the members that [`Frame`] does not have.
    Json(serde_json::Map<String, serde_json::Value>),
    /// RocketMQ's own binary form.
    Binary {
        /// The sender's, a number of `LanguageCode.java`.
        language: u8,
        /// The sender's.
        version: i16,
    },
}

/// A request, or the answer to one.
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
    pub fields: BTreeMap<String, String>,
    /// The bytes after the header, such as a message.
    pub body: Bytes,
    pub encoding: Encoding,
}

/// Names and values, for [`Frame::request`].
#[must_use]
pub fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Frame {
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

    /// An answer that the proxy gives instead of the other side.
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

    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.flag & ANSWER != 0
    }

    #[must_use]
    pub fn is_one_way(&self) -> bool {
        self.flag & ONE_WAY != 0
    }

    /// Of the message in a send request.
    #[must_use]
    pub fn message_properties(&self) -> BTreeMap<String, String> {
        let text = match self.code {
            code::SEND_MESSAGE => self.field("properties"),
            code::SEND_MESSAGE_V2 => self.field("i"),
            _ => None,
        };
        parse_properties(text.unwrap_or_default())
    }

    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}
