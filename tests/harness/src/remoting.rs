//! RocketMQ's remoting protocol, as much of it as a proxy needs: frames, read and written.
//!
//! It is our own, and not the client's, because the proxy must see what the client does wrong.

mod ask;
mod codec;
mod messages;
mod properties;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use ask::ask;
pub use codec::{FRAME_BYTES_MAX, read_frame};
pub use messages::popped;
use properties::parse_properties;

/// Request codes (`RequestCode.java`) that tests speak of.
pub mod code {
    /// `SEND_MESSAGE`: also a half message. The Rust client sends it.
    pub const SEND_MESSAGE: i32 = 10;
    /// `SEND_MESSAGE_V2`: the same with short names, which Java clients send.
    pub const SEND_MESSAGE_V2: i32 = 310;
    /// `QUERY_MESSAGE`: messages by key.
    pub const QUERY_MESSAGE: i32 = 12;
    /// `HEART_BEAT`.
    pub const HEART_BEAT: i32 = 34;
    /// `END_TRANSACTION`.
    pub const END_TRANSACTION: i32 = 37;
    /// `CHECK_TRANSACTION_STATE`: the broker's question, one-way.
    pub const CHECK_TRANSACTION_STATE: i32 = 39;
    /// `GET_ROUTEINFO_BY_TOPIC`, asked of a name server.
    pub const GET_ROUTEINFO_BY_TOPIC: i32 = 105;
    /// `GET_BROKER_CLUSTER_INFO`, asked of a name server.
    pub const GET_BROKER_CLUSTER_INFO: i32 = 106;
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
    /// `SYSTEM_BUSY`: it waited for too long, or nothing is taken at the moment, and was not begun
    /// (`BrokerFastFailure.java`, `NettyRemotingAbstract.java`).
    pub const SYSTEM_BUSY: i32 = 2;
    /// `FLUSH_DISK_TIMEOUT`: stored, and perhaps not on the disk.
    pub const FLUSH_DISK_TIMEOUT: i32 = 10;
    /// `SLAVE_NOT_AVAILABLE`: stored, and without a replica.
    pub const SLAVE_NOT_AVAILABLE: i32 = 11;
    /// `FLUSH_SLAVE_TIMEOUT`: stored, and perhaps without a replica.
    pub const FLUSH_SLAVE_TIMEOUT: i32 = 12;
}

/// In a frame's flag: it is an answer.
const ANSWER: i32 = 1;
/// In a frame's flag: nobody waits for an answer.
const ONE_WAY: i32 = 2;

/// How a frame's header is written. A frame keeps its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// JSON, with what else stands in it.
    Json(serde_json::Map<String, serde_json::Value>),
    /// RocketMQ's own binary form, with the number of the sender's language and version.
    Binary {
        /// `LanguageCode.java`.
        language: u8,
        /// The sender's version.
        version: i16,
    },
}

/// One frame: a request, or the answer to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What is asked, or how it went.
    pub code: i32,
    /// Whether it is an answer, and whether one is waited for.
    pub flag: i32,
    /// The request's number on its connection; its answer has the same.
    pub opaque: i32,
    /// An error in words.
    pub remark: Option<String>,
    /// The request's own fields.
    pub fields: BTreeMap<String, String>,
    /// What it carries.
    pub body: Bytes,
    /// How its header is written.
    pub encoding: Encoding,
}

impl Frame {
    /// A request of our own.
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

    /// An answer to this request in the other side's place.
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

    /// Whether it answers a request.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.flag & ANSWER != 0
    }

    /// Whether nobody waits for an answer to it.
    #[must_use]
    pub fn is_one_way(&self) -> bool {
        self.flag & ONE_WAY != 0
    }

    /// The properties of the message that a send request carries.
    #[must_use]
    pub fn message_properties(&self) -> BTreeMap<String, String> {
        let text = match self.code {
            code::SEND_MESSAGE => self.field("properties"),
            code::SEND_MESSAGE_V2 => self.field("i"),
            _ => None,
        };
        parse_properties(text.unwrap_or_default())
    }

    /// One of the request's own fields.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}
