//! The brokers that a name server knows.

use std::collections::BTreeMap;

use std::net::SocketAddr;

use anyhow::Context;

use crate::remoting::{Frame, ask, code, status};

/// The cluster information of the name server at `address` (`host:port`), in a dialect of JSON that
/// has bare numbers as keys.
///
/// # Errors
/// When it does not answer with success within two seconds.
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

/// The addresses (`host:port`) of the brokers that the name server at `namesrv` knows, in any
/// order.
///
/// # Errors
/// When it does not answer.
pub async fn broker_addresses(namesrv: &str) -> anyhow::Result<Vec<String>> {
    let listing = cluster_info(namesrv).await?;
    // Only addresses have this form in the listing.
    let addresses = listing.split('"').filter(|text| text.parse::<SocketAddr>().is_ok());
    Ok(addresses.map(ToOwned::to_owned).collect())
}

/// The address (`host:port`) of the first broker that the name server at `namesrv` knows.
///
/// # Errors
/// When it does not answer, or knows no broker.
pub async fn broker_address(namesrv: &str) -> anyhow::Result<String> {
    let addresses = broker_addresses(namesrv).await?;
    addresses.into_iter().next().with_context(|| format!("{namesrv} knows no broker"))
}
