//! What a name server knows of its brokers.

use std::collections::BTreeMap;

use std::net::SocketAddr;

use anyhow::Context;

use crate::remoting::{Frame, ask, code, status};

/// What the name server at `address` (`host:port`) knows of its brokers, as text in a dialect of
/// JSON that has bare numbers for keys.
///
/// # Errors
/// When it does not answer within two seconds, or not with success.
pub async fn cluster_info(address: &str) -> anyhow::Result<String> {
    let question = Frame::request(code::GET_BROKER_CLUSTER_INFO, 1, BTreeMap::new());
    let answer = ask(address, &question).await?;
    anyhow::ensure!(
        answer.code == status::SUCCESS,
        "the name server {address} answers with code {}: {}",
        answer.code,
        answer.remark.unwrap_or_default()
    );
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

/// The addresses (`host:port`) of the brokers that the name server at `namesrv` knows, in no order.
///
/// # Errors
/// When it does not answer.
pub async fn broker_addresses(namesrv: &str) -> anyhow::Result<Vec<String>> {
    let listing = cluster_info(namesrv).await?;
    // Addresses are the only texts of this form in it.
    let addresses = listing.split('"').filter(|text| text.parse::<SocketAddr>().is_ok());
    Ok(addresses.map(ToOwned::to_owned).collect())
}

/// The address (`host:port`) of the first broker that the name server at `namesrv` knows.
///
/// # Errors
/// When it does not answer, or knows none.
pub async fn broker_address(namesrv: &str) -> anyhow::Result<String> {
    let addresses = broker_addresses(namesrv).await?;
    addresses.into_iter().next().with_context(|| format!("{namesrv} knows no broker"))
}
