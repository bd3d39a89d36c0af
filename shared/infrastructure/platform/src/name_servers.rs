//! The addresses of the name servers, and whether one of them accepts a connection.

use std::net::SocketAddr;
use std::time::Duration;

use application::ports::NameServers;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The addresses of name servers, as the setting `ROCKETMQ_NAMESRV_ADDR` lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServerAddresses(Vec<String>);

/// A text is not a list of name servers. The error does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write host:port without a scheme, such as rocketmq.internal:9876; separate several with , or ;"
)]
pub struct InvalidNameServers;

impl NameServerAddresses {
    /// Reads `host:port`; several are separated by `,` or `;`.
    ///
    /// # Errors
    ///
    /// [`InvalidNameServers`] if the list is empty, or an address does not have this form.
    pub fn parse(text: &str) -> Result<Self, InvalidNameServers> {
        let addresses: Vec<String> = text
            .split([',', ';'])
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(host_and_port)
            .collect::<Option<_>>()
            .ok_or(InvalidNameServers)?;
        if addresses.is_empty() { Err(InvalidNameServers) } else { Ok(Self(addresses)) }
    }

    /// The addresses, each as `host:port`, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// All addresses, separated by `;`, as `RocketMQ`'s clients expect them.
    pub fn joined(&self) -> String {
        self.0.join(";")
    }
}

fn host_and_port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let is_host = is_dns_name(host) || text.parse::<SocketAddr>().is_ok();
    (port > 0 && is_host).then(|| format!("{host}:{port}"))
}

/// Whether the client accepts this as a host's name; IPv4 addresses also have this form.
fn is_dns_name(host: &str) -> bool {
    let in_label = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(in_label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Probes name servers by opening a TCP connection and closing it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpNameServers {
    addresses: NameServerAddresses,
}

impl TcpNameServers {
    /// How long one name server may take to accept, including the DNS look-up.
    const CONNECT_TIME_MAX: Duration = Duration::from_millis(500);

    /// Opens no connection yet.
    pub const fn new(addresses: NameServerAddresses) -> Self {
        Self { addresses }
    }
}

impl NameServers for TcpNameServers {
    async fn reachable(&self) -> bool {
        let mut attempts: FuturesUnordered<_> = self.addresses.iter().map(accepts).collect();
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

    fn servers(text: &str) -> TcpNameServers {
        TcpNameServers::new(NameServerAddresses::parse(text).unwrap())
    }

    #[tokio::test]
    async fn one_name_server_that_accepts_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = unused_address().await;
        assert!(servers(&format!("{closed};{open}")).reachable().await);
    }

    #[tokio::test]
    async fn name_servers_that_refuse_are_not_reachable() {
        assert!(!servers(&unused_address().await).reachable().await);
    }

    #[test]
    fn commas_or_semicolons_separate_the_list() {
        let addresses =
            NameServerAddresses::parse("a:9876; b-1.internal:9876,10.0.0.7:1;[::1]:9876;").unwrap();
        let addresses: Vec<_> = addresses.iter().collect();
        assert_eq!(addresses, ["a:9876", "b-1.internal:9876", "10.0.0.7:1", "[::1]:9876"]);
    }

    #[test]
    fn an_address_without_host_and_port_is_refused() {
        for text in [
            "",
            ";",
            "a",
            "a:",
            ":9876",
            "a:0",
            "a:65536",
            "a:x",
            "a b:1",
            "a:1,b",
            "::1:9876",
            "http://a:9876",
            "-a:1",
        ] {
            assert_eq!(NameServerAddresses::parse(text), Err(InvalidNameServers), "{text:?}");
        }
    }

    async fn unused_address() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    }
}
