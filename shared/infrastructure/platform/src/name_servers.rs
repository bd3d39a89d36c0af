//! Whether a name server accepts a connection, without its protocol.

use std::str::FromStr;
use std::time::Duration;

use application::ports::NameServers;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Name servers that are asked by opening a TCP connection and closing it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpNameServers {
    addresses: Vec<String>,
}

/// A text does not list name servers. It doesn't repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must list addresses of the form host:port, parted by `,` or `;`")]
pub struct InvalidNameServers;

impl TcpNameServers {
    /// How long one name server may take to accept, its name's look-up included.
    pub const CONNECT_TIME_MAX: Duration = Duration::from_millis(500);

    /// The addresses, each `host:port`.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }
}

impl FromStr for TcpNameServers {
    type Err = InvalidNameServers;

    /// Reads addresses as the setting `ROCKETMQ_NAMESRV_ADDR` lists them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let addresses: Vec<String> = text
            .split([',', ';'])
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(str::to_owned)
            .collect();
        let well_formed = !addresses.is_empty() && addresses.iter().all(|a| is_host_and_port(a));
        if well_formed { Ok(Self { addresses }) } else { Err(InvalidNameServers) }
    }
}

fn is_host_and_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

impl NameServers for TcpNameServers {
    async fn reachable(&self) -> bool {
        let mut attempts: FuturesUnordered<_> =
            self.addresses.iter().map(|address| accepts(address)).collect();
        while let Some(accepted) = attempts.next().await {
            if accepted {
                return true;
            }
        }
        false
    }
}

async fn accepts(address: &str) -> bool {
    let connection = timeout(TcpNameServers::CONNECT_TIME_MAX, TcpStream::connect(address)).await;
    matches!(connection, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn one_that_accepts_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = unused_address().await;
        let servers: TcpNameServers = format!("{closed};{open}").parse().unwrap();
        assert!(servers.reachable().await);
    }

    #[tokio::test]
    async fn none_that_accepts_is_not_reachable() {
        let servers: TcpNameServers = unused_address().await.parse().unwrap();
        assert!(!servers.reachable().await);
    }

    #[test]
    fn the_list_may_be_parted_by_commas_or_semicolons() {
        let servers: TcpNameServers = "a:9876; b:9876,c:1;".parse().unwrap();
        assert_eq!(servers.addresses(), ["a:9876", "b:9876", "c:1"]);
        for text in ["", ";", "a", "a:", ":9876", "a:0", "a:65536", "a:x", "a b:1", "a:1,b"] {
            assert_eq!(text.parse::<TcpNameServers>(), Err(InvalidNameServers), "{text:?}");
        }
    }

    async fn unused_address() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    }
}
