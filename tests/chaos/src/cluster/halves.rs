//! How many half messages have not ended at a broker.

use std::collections::BTreeMap;

use anyhow::Context;
use harness::broker::HALF_MESSAGES;
use harness::remoting::{Frame, ask, status};

/// The consumer group under which the broker stores how far it has read its half messages
/// (`MixAll.java`).
const HALF_GROUP: &str = "CID_RMQ_SYS_TRANS";
/// In `RequestCode.java`.
const QUERY_CONSUMER_OFFSET: i32 = 14;
/// In `RequestCode.java`.
const GET_MAX_OFFSET: i32 = 30;

/// The half messages that the broker at `address` has not read past yet. After the last one has
/// ended, the next round of checks reads past it.
///
/// # Errors
/// When the broker does not answer.
pub(super) async fn open(address: &str) -> anyhow::Result<u64> {
    let all = offset(address, GET_MAX_OFFSET, &[]).await?;
    let done = offset(address, QUERY_CONSUMER_OFFSET, &[("consumerGroup", HALF_GROUP)]).await?;
    Ok(all.unwrap_or_default().saturating_sub(done.unwrap_or_default()))
}

/// `None` if the broker has none yet, such as before its first round of checks.
async fn offset(address: &str, code: i32, more: &[(&str, &str)]) -> anyhow::Result<Option<u64>> {
    let fields = [("topic", HALF_MESSAGES), ("queueId", "0")];
    let fields = fields.iter().chain(more);
    let fields = fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = Frame::request(code, 1, fields.collect::<BTreeMap<_, _>>());
    let answer = ask(address, &request).await?;
    if answer.code == status::QUERY_NOT_FOUND {
        return Ok(None);
    }
    anyhow::ensure!(answer.code == status::SUCCESS, "code {}: {:?}", answer.code, answer.remark);
    let offset = answer.field("offset").context("an answer without an offset")?;
    Ok(Some(offset.parse()?))
}
