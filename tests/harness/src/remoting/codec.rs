//! A frame is a 4-byte length of the rest, a 4-byte word with the header's form in the top byte (0
//! is JSON, 1 is RocketMQ's own form) and the header's length in the other three, the header, and
//! the body (`RemotingCommand.java`, `RocketMQSerializable.java`).

use std::collections::BTreeMap;

use anyhow::Context;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Encoding, Frame};

/// The longest frame that is read: `RocketMQ` itself accepts 16 MiB (`NettyDecoder.java`).
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

const JSON: u8 = 0;
const BINARY: u8 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonHeader {
    code: i32,
    #[serde(default)]
    flag: i32,
    opaque: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    #[serde(default)]
    ext_fields: Option<BTreeMap<String, Option<String>>>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Reads the bytes of the next frame, with its length; `None` when the other side has closed the
/// connection.
///
/// # Errors
/// When the connection breaks, or a frame is longer than [`FRAME_BYTES_MAX`].
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<Option<Bytes>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let bytes = usize::try_from(u32::from_be_bytes(length))?;
    anyhow::ensure!(bytes <= FRAME_BYTES_MAX, "a frame of {bytes} bytes is too long");
    let mut frame = BytesMut::zeroed(4 + bytes);
    let (head, rest) = frame.split_at_mut(4);
    head.copy_from_slice(&length);
    stream.read_exact(rest).await?;
    Ok(Some(frame.freeze()))
}

impl Frame {
    /// Reads a whole frame, with its length.
    ///
    /// # Errors
    /// When it is cut off, or its header is in neither of the two forms.
    pub fn decode(frame: &Bytes) -> anyhow::Result<Self> {
        let mut rest = frame.clone();
        anyhow::ensure!(rest.len() >= 8, "the frame has no header");
        rest.advance(4);
        let [form, length @ ..] = rest.get_u32().to_be_bytes();
        let [high, middle, low] = length;
        let length = usize::try_from(u32::from_be_bytes([0, high, middle, low]))?;
        anyhow::ensure!(rest.len() >= length, "the header is cut off");
        let header = rest.split_to(length);
        match form {
            JSON => from_json(&header, rest),
            BINARY => from_binary(header, rest),
            other => anyhow::bail!("the header's form {other} is unknown"),
        }
    }

    /// The bytes of the whole frame, with its length.
    ///
    /// # Errors
    /// When a part is too long for its length field.
    pub fn encode(&self) -> anyhow::Result<Bytes> {
        let (form, header) = match &self.encoding {
            Encoding::Json(rest) => (JSON, to_json(self, rest)?),
            Encoding::Binary { language, version } => {
                (BINARY, to_binary(self, *language, *version)?)
            }
        };
        let header_length = u32::try_from(header.len())?;
        anyhow::ensure!(
            header_length <= 0x00ff_ffff,
            "a header of {header_length} bytes is too long"
        );
        let mut frame = BytesMut::with_capacity(8 + header.len() + self.body.len());
        frame.put_u32(u32::try_from(4 + header.len() + self.body.len())?);
        frame.put_u32(u32::from(form) << 24 | header_length);
        frame.put_slice(&header);
        frame.put_slice(&self.body);
        Ok(frame.freeze())
    }
}

fn from_json(header: &[u8], body: Bytes) -> anyhow::Result<Frame> {
    let header: JsonHeader = serde_json::from_slice(header)?;
    let fields = header.ext_fields.unwrap_or_default();
    Ok(Frame {
        code: header.code,
        flag: header.flag,
        opaque: header.opaque,
        remark: header.remark,
        fields: fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        body,
        encoding: Encoding::Json(header.rest),
    })
}

fn to_json(
    frame: &Frame,
    rest: &serde_json::Map<String, serde_json::Value>,
) -> anyhow::Result<Vec<u8>> {
    let fields = frame.fields.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let header = JsonHeader {
        code: frame.code,
        flag: frame.flag,
        opaque: frame.opaque,
        remark: frame.remark.clone(),
        ext_fields: Some(fields.collect()),
        rest: rest.clone(),
    };
    Ok(serde_json::to_vec(&header)?)
}

fn from_binary(mut header: Bytes, body: Bytes) -> anyhow::Result<Frame> {
    let code = i32::from(header.try_get_i16()?);
    let language = header.try_get_u8()?;
    let version = header.try_get_i16()?;
    let opaque = header.try_get_i32()?;
    let flag = header.try_get_i32()?;
    let remark_length = usize::try_from(header.try_get_u32()?)?;
    let remark = text(&mut header, remark_length)?;
    let fields_length = usize::try_from(header.try_get_u32()?)?;
    anyhow::ensure!(header.len() >= fields_length, "the fields are cut off");
    let mut encoded = header.split_to(fields_length);
    let mut fields = BTreeMap::new();
    while !encoded.is_empty() {
        let length = usize::from(encoded.try_get_u16()?);
        let name = text(&mut encoded, length)?;
        let length = usize::try_from(encoded.try_get_u32()?)?;
        fields.insert(name, text(&mut encoded, length)?);
    }
    Ok(Frame {
        code,
        flag,
        opaque,
        remark: (!remark.is_empty()).then_some(remark),
        fields,
        body,
        encoding: Encoding::Binary { language, version },
    })
}

fn text(from: &mut Bytes, length: usize) -> anyhow::Result<String> {
    anyhow::ensure!(from.len() >= length, "a text is cut off");
    String::from_utf8(from.split_to(length).to_vec()).context("a text is not UTF-8")
}

fn to_binary(frame: &Frame, language: u8, version: i16) -> anyhow::Result<Vec<u8>> {
    let mut fields = Vec::new();
    for (name, value) in &frame.fields {
        fields.put_u16(u16::try_from(name.len())?);
        fields.put_slice(name.as_bytes());
        fields.put_u32(u32::try_from(value.len())?);
        fields.put_slice(value.as_bytes());
    }
    let remark = frame.remark.as_deref().unwrap_or_default();
    let mut header = Vec::new();
    // A code that needs more than two bytes, such as POP's, occurs in JSON only.
    header.put_i16(i16::try_from(frame.code)?);
    header.put_u8(language);
    header.put_i16(version);
    header.put_i32(frame.opaque);
    header.put_i32(frame.flag);
    header.put_u32(u32::try_from(remark.len())?);
    header.put_slice(remark.as_bytes());
    header.put_u32(u32::try_from(fields.len())?);
    header.put_slice(&fields);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::{Encoding, Frame, read_frame};
    use crate::remoting::popped;

    fn frame(encoding: Encoding) -> Frame {
        let fields = [("topic", "ORDER_EVENTS"), ("commitOrRollback", "8")];
        Frame {
            code: 37,
            flag: 2,
            opaque: 7,
            remark: Some("why".to_owned()),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: Bytes::from_static(b"body"),
            encoding,
        }
    }

    #[tokio::test]
    async fn a_frame_is_read_as_it_was_written_in_both_forms() {
        let json = Encoding::Json([("language".to_owned(), "RUST".into())].into_iter().collect());
        for encoding in [json, Encoding::Binary { language: 12, version: 483 }] {
            let frame = frame(encoding);
            let bytes = frame.encode().unwrap();
            let read = read_frame(&mut bytes.as_ref()).await.unwrap().unwrap();
            assert_eq!(read, bytes);
            assert_eq!(Frame::decode(&read).unwrap(), frame);
        }
    }

    #[test]
    fn an_answer_of_a_java_server_is_decoded() {
        let json = br#"{"code":0,"flag":1,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":483}"#;
        let length = u32::try_from(json.len()).unwrap();
        let mut frame = (length + 6).to_be_bytes().to_vec();
        frame.extend(length.to_be_bytes());
        frame.extend(json);
        frame.extend(b"{}");
        let frame = Frame::decode(&frame.into()).unwrap();
        assert_eq!((frame.code, frame.opaque, frame.is_answer()), (0, 1, true));
        assert_eq!((frame.fields, frame.body.as_ref()), (BTreeMap::new(), b"{}".as_slice()));
    }

    #[tokio::test]
    async fn broken_frames_are_refused() {
        let bytes = frame(Encoding::Binary { language: 12, version: 1 }).encode().unwrap();
        assert!(Frame::decode(&bytes.slice(..24)).is_err());
        assert!(Frame::decode(&Bytes::new()).is_err());
        assert!(Frame::decode(&Bytes::from_static(&[0, 0, 0, 4, 9, 0, 0, 0])).is_err());
        assert!(read_frame(&mut [0xff_u8; 4].as_slice()).await.is_err());
        assert_eq!(read_frame(&mut [].as_slice()).await.unwrap(), None);
    }

    /// Decodes arbitrary bytes. Whatever is a frame is encoded as it was read.
    fn read_all(bytes: Bytes) -> Result<(), TestCaseError> {
        let Ok(frame) = Frame::decode(&bytes) else { return Ok(()) };
        drop((frame.message_properties(), popped(&frame.body, "event_id")));
        let written = frame.encode().unwrap();
        prop_assert_eq!(Frame::decode(&written).unwrap(), frame);
        Ok(())
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_of_frames_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300), binary in any::<bool>(),
            at in any::<Index>(), byte in any::<u8>(),
        ) {
            read_all(bytes.into())?;
            let json = Encoding::Json(serde_json::Map::new());
            let binary = binary.then_some(Encoding::Binary { language: 12, version: 483 });
            let mut changed = frame(binary.unwrap_or(json)).encode().unwrap().to_vec();
            let at = at.index(changed.len());
            changed[at] = byte;
            read_all(changed.clone().into())?;
            changed.truncate(at);
            read_all(changed.into())?;
        }
    }
}
