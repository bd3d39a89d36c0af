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
    let answer = answered("name server", address, &question).await?;
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

/// The address (`host:port`) of the master of a broker's name, such as `broker-a`, that the name
/// server at `namesrv` knows; `None` if it knows none.
///
/// # Errors
/// When it does not answer.
pub async fn master_address(namesrv: &str, broker: &str) -> anyhow::Result<Option<String>> {
    Ok(master_in(&cluster_info(namesrv).await?, broker).map(ToOwned::to_owned))
}

/// How many brokers of a name, the master included, the controller at `controller` (`host:port`)
/// counts as in sync.
///
/// # Errors
/// When it does not answer with success.
pub async fn in_sync_replicas(controller: &str, broker: &str) -> anyhow::Result<usize> {
    let mut question = Frame::request(code::CONTROLLER_GET_SYNC_STATE_DATA, 1, BTreeMap::new());
    question.body = serde_json::to_vec(&[broker])?.into();
    let answer = answered("controller", controller, &question).await?;
    let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let replicas = body.pointer(&format!("/replicasInfoTable/{broker}/inSyncReplicas"));
    Ok(replicas.and_then(serde_json::Value::as_array).map_or(0, Vec::len))
}

/// What a broker may be used for (`PermName.java`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerPermission {
    /// Drained before maintenance.
    Read = 4,
    ReadAndWrite = 6,
}

/// Sets a broker's `brokerPermission`, as `mqadmin updateBrokerConfig` does. It survives a restart.
///
/// # Errors
/// When the broker at `address` does not answer with success.
pub async fn permit(address: &str, permission: BrokerPermission) -> anyhow::Result<()> {
    let mut request = Frame::request(code::UPDATE_BROKER_CONFIG, 1, BTreeMap::new());
    request.body = format!("brokerPermission={}", permission as i32).into();
    answered("broker", address, &request).await.map(drop)
}

async fn answered(server: &str, address: &str, request: &Frame) -> anyhow::Result<Frame> {
    let answer = ask(address, request).await?;
    anyhow::ensure!(
        answer.code == status::SUCCESS,
        "the {server} {address} answers with code {}: {}",
        answer.code,
        answer.remark.unwrap_or_default()
    );
    Ok(answer)
}

/// The address with the id 0 in `"broker-a":{"brokerAddrs":{0:"…",1:"…"},…}`.
fn master_in<'a>(listing: &'a str, broker: &str) -> Option<&'a str> {
    let (_, entry) = listing.split_once(&format!("\"{broker}\":{{"))?;
    let (_, addresses) = entry.split_once("\"brokerAddrs\":{")?;
    let (addresses, _) = addresses.split_once('}')?;
    let master = addresses.split(',').find_map(|address| address.strip_prefix("0:"))?;
    Some(master.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::master_in;

    #[test]
    fn a_master_is_found_by_its_brokers_name() {
        let listing = r#"{"brokerAddrTable":{
            "broker-b":{"brokerAddrs":{0:"127.0.0.1:3",1:"127.0.0.1:4"},"brokerName":"broker-b"},
            "broker-a":{"brokerAddrs":{1:"127.0.0.1:2",0:"127.0.0.1:1"},"brokerName":"broker-a"},
            "broker-c":{"brokerAddrs":{1:"127.0.0.1:5"},"brokerName":"broker-c"}},
            "clusterAddrTable":{"DefaultCluster":["broker-a","broker-b","broker-c"]}}"#;
        assert_eq!(master_in(listing, "broker-a"), Some("127.0.0.1:1"));
        assert_eq!(master_in(listing, "broker-b"), Some("127.0.0.1:3"));
        assert_eq!(master_in(listing, "broker-c"), None);
    }
}
