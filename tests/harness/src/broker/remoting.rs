//! As much of RocketMQ's remoting protocol as it takes to ask a name server for its brokers.
//!
//! A frame is a 4-byte length of what follows, a 4-byte word with the header's serialisation in the
//! top byte (0 is JSON) and the header's length in the rest, the header, and the body.

use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `RequestCode.GET_BROKER_CLUSTER_INFO`.
const GET_BROKER_CLUSTER_INFO: i32 = 106;
/// `ResponseCode.SUCCESS`.
const SUCCESS: i32 = 0;
/// Far above any answer to this question.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    code: i32,
    #[serde(default)]
    flag: i32,
    language: String,
    opaque: i32,
    #[serde(default)]
    version: i32,
    #[serde(default)]
    remark: Option<String>,
}

/// What the name server at `address` (`host:port`) knows of its brokers, as text in a dialect of
/// JSON that has bare numbers for keys.
///
/// # Errors
/// When it does not answer within two seconds, or not with success.
pub async fn cluster_info(address: &str) -> anyhow::Result<String> {
    tokio::time::timeout(LIMIT, ask(address))
        .await
        .with_context(|| format!("the name server {address} does not answer"))?
        .with_context(|| format!("the name server {address} cannot be asked"))
}

async fn ask(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let header = Header {
        code: GET_BROKER_CLUSTER_INFO,
        flag: 0,
        language: "RUST".to_owned(),
        opaque: 1,
        version: 0,
        remark: None,
    };
    stream.write_all(&encode(&header, &[])?).await?;
    let length = usize::try_from(stream.read_u32().await?)?;
    anyhow::ensure!(length <= FRAME_BYTES_MAX, "an answer of {length} bytes");
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    let (header, body) = decode(&frame)?;
    anyhow::ensure!(
        header.code == SUCCESS,
        "it answers with code {}: {}",
        header.code,
        header.remark.unwrap_or_default()
    );
    Ok(String::from_utf8_lossy(body).into_owned())
}

/// A whole frame, with its length.
fn encode(header: &Header, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)?;
    let header_length = u32::try_from(header.len())?;
    let length = u32::try_from(4 + header.len() + body.len())?;
    let mut frame = Vec::with_capacity(8 + header.len() + body.len());
    frame.extend(length.to_be_bytes());
    frame.extend(header_length.to_be_bytes());
    frame.extend(header);
    frame.extend(body);
    Ok(frame)
}

/// Header and body of a frame without its length.
fn decode(frame: &[u8]) -> anyhow::Result<(Header, &[u8])> {
    let (word, rest) = frame.split_first_chunk::<4>().context("a frame without a header")?;
    let word = u32::from_be_bytes(*word);
    anyhow::ensure!(word >> 24 == 0, "the header is not JSON");
    let length = usize::try_from(word & 0x00ff_ffff)?;
    let (header, body) = rest.split_at_checked(length).context("a header that is cut off")?;
    Ok((serde_json::from_slice(header)?, body))
}

#[cfg(test)]
mod tests {
    use super::{Header, decode, encode};

    fn header() -> Header {
        Header {
            code: 106,
            flag: 0,
            language: "RUST".to_owned(),
            opaque: 7,
            version: 0,
            remark: None,
        }
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let frame = encode(&header(), b"body").unwrap();
        let length = u32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), frame.len() - 4);
        assert_eq!(decode(&frame[4..]).unwrap(), (header(), b"body".as_slice()));
    }

    #[test]
    fn a_java_answer_is_understood() {
        let json = br#"{"code":0,"flag":1,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":483}"#;
        let mut frame = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(json);
        frame.extend(b"{}");
        let (header, body) = decode(&frame).unwrap();
        assert_eq!((header.code, header.opaque, body), (0, 1, b"{}".as_slice()));
    }

    #[test]
    fn broken_frames_are_refused() {
        let frame = encode(&header(), b"").unwrap();
        assert!(decode(&frame[4..20]).is_err());
        assert!(decode(&[]).is_err());
        assert!(decode(&[1, 0, 0, 0]).is_err());
    }
}
