//! The three calls as bytes on two sockets.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use application::ports::Clock;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use harness::remoting::{Frame, code, read_frame, status};
use platform::clock::SystemClock;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::sample::{Identifiers, Sample};
use super::{FREE_FOR_ATTEMPT, Steps};
use crate::rig::{Rig, Site};

/// The flag of a half message (`MessageSysFlag.java`, `TRANSACTION_PREPARED_TYPE`).
const PREPARED: &str = "4";
/// The flag of a commit (`TRANSACTION_COMMIT_TYPE`).
const COMMIT: &str = "8";

/// The embedded table accepts any signature, but requires one.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, \
                         SignedHeaders=host, Signature=0";

/// A connection to the broker and one to the table.
pub(crate) struct Frames {
    sample: Sample,
    broker: BufReader<TcpStream>,
    table: BufReader<TcpStream>,
    table_host: String,
    opaque: i32,
}

impl Frames {
    pub(crate) async fn connect(rig: &Rig, site: &Site) -> anyhow::Result<Self> {
        let sample = Sample::take(site).await?;
        let url = &site.system.endpoints.table_url;
        let table_host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Ok(Self {
            sample,
            broker: connect(&rig.broker_address()).await?,
            table: connect(&table_host).await?,
            table_host,
            opaque: 0,
        })
    }

    pub(crate) async fn steps(&mut self) -> anyhow::Result<Steps> {
        let started = Instant::now();
        let new = Identifiers::new();
        let stored = self.half_message(&new).await?;
        let half_message = started.elapsed();
        self.put(&new).await?;
        let put = started.elapsed() - half_message;
        self.commit(&stored).await?;
        let commit = started.elapsed() - half_message - put;
        Ok(Steps { half_message, put, commit })
    }

    async fn half_message(&mut self, new: &Identifiers) -> anyhow::Result<Frame> {
        let (body, properties) = self.sample.raw_message(new);
        let properties: String = properties
            .iter()
            .flat_map(|(name, value)| [name, "\u{1}", value.as_str(), "\u{2}"])
            .collect();
        let (topic, checked_group) = self.sample.addressed_to();
        let born_ms = SystemClock.now().as_millis().to_string();
        // The short names of `SendMessageRequestHeaderV2.java`.
        let fields = [
            ("a", checked_group),
            ("b", topic),
            ("c", "TBW102"),
            ("d", "4"),
            ("e", "0"),
            ("f", PREPARED),
            ("g", &born_ms),
            ("h", "0"),
            ("i", &properties),
            ("j", "0"),
            ("k", "false"),
            ("m", "false"),
        ];
        let fields = owned(&fields);
        self.send(code::SEND_MESSAGE_V2, fields, body).await
    }

    async fn commit(&mut self, stored: &Frame) -> anyhow::Result<()> {
        let field = |name: &str| {
            stored.field(name).with_context(|| format!("the half message has no {name}"))
        };
        let offset_id = field("msgId")?;
        let at = offset_id.len().checked_sub(16).and_then(|start| offset_id.get(start..));
        let commit_log_offset = u64::from_str_radix(at.unwrap_or_default(), 16)?.to_string();
        let (topic, checked_group) = self.sample.addressed_to();
        let fields = [
            ("topic", topic),
            ("producerGroup", checked_group),
            ("tranStateTableOffset", field("queueOffset")?),
            ("commitLogOffset", &commit_log_offset),
            ("commitOrRollback", COMMIT),
            ("fromTransactionCheck", "false"),
            ("msgId", offset_id),
        ];
        let fields = owned(&fields);
        self.send(code::END_TRANSACTION, fields, Vec::new()).await?;
        Ok(())
    }

    async fn send(
        &mut self,
        code: i32,
        fields: BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> anyhow::Result<Frame> {
        self.opaque += 1;
        let mut request = Frame::request(code, self.opaque, fields);
        request.body = body.into();
        self.broker.write_all(&request.encode()?).await?;
        loop {
            let answer = read_frame(&mut self.broker).await?;
            let answer = answer.context("the broker closed the connection")?;
            let answer = Frame::decode(&answer)?;
            if answer.is_answer() && answer.opaque == self.opaque {
                let code = answer.code;
                anyhow::ensure!(code == status::SUCCESS, "the broker answered {code}");
                return Ok(answer);
            }
        }
    }

    async fn put(&mut self, new: &Identifiers) -> anyhow::Result<()> {
        let body = json!({
            "TableName": self.sample.table,
            "Item": members(&self.sample.item(new))?,
            "ConditionExpression": FREE_FOR_ATTEMPT,
            "ExpressionAttributeNames": {"#pk": "pk", "#fenced": "fenced"},
            "ExpressionAttributeValues":
                {":attempt": {"B": BASE64_STANDARD.encode(new.transaction_id.as_bytes())}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        })
        .to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: DynamoDB_20120810.PutItem\r\n\
             content-type: application/x-amz-json-1.0\r\nauthorization: {SIGNATURE}\r\n\
             x-amz-date: 20260101T000000Z\r\n\
             content-length: {}\r\n\r\n{body}",
            self.table_host,
            body.len()
        );
        self.table.write_all(request.as_bytes()).await?;
        let mut status_line = String::new();
        self.table.read_line(&mut status_line).await?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.table.read_line(&mut line).await?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse()?;
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut answer = vec![0; length];
        self.table.read_exact(&mut answer).await?;
        anyhow::ensure!(
            status_line.contains(" 200 "),
            "the answer to a put is {status_line}{}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }
}

async fn connect(address: &str) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn owned(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An item in DynamoDB's JSON.
fn members(item: &HashMap<String, AttributeValue>) -> anyhow::Result<Map<String, Value>> {
    item.iter().map(|(name, value)| Ok((name.clone(), typed(value)?))).collect()
}

fn typed(value: &AttributeValue) -> anyhow::Result<Value> {
    Ok(match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::B(bytes) => json!({"B": BASE64_STANDARD.encode(bytes)}),
        AttributeValue::L(list) => {
            let list: Vec<_> = list.iter().map(typed).collect::<anyhow::Result<_>>()?;
            json!({"L": list})
        }
        AttributeValue::M(map) => json!({"M": members(map)?}),
        other => anyhow::bail!("an order's item has an unexpected attribute {other:?}"),
    })
}
