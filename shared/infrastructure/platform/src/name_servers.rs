//! The addresses of the name servers, and whether one of them knows a broker that takes orders'
//! events.

mod exchange;
mod route;

use std::net::SocketAddr;

use application::ports::{NameServers, OrderRoute};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::cluster::{TlsCa, TopicName};
use crate::failure::failure_chain;
pub use exchange::InvalidAuthority;
use exchange::{Exchange, ExchangeError};
use route::RouteError;

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

/// Asks name servers for the route of the order topic, without `RocketMQ`'s client, whose crates
/// would make a small function large. A name server checks no signature, so it needs no
/// credentials.
#[derive(Clone)]
pub struct RemotingNameServers {
    addresses: NameServerAddresses,
    topic: TopicName,
    exchange: Exchange,
}

impl RemotingNameServers {
    /// Opens no connection yet.
    ///
    /// # Errors
    ///
    /// [`InvalidAuthority`], if `tls_ca` has no certificate that can be read.
    pub fn new(
        addresses: NameServerAddresses,
        topic: TopicName,
        tls_ca: Option<&TlsCa>,
    ) -> Result<Self, InvalidAuthority> {
        Ok(Self { addresses, topic, exchange: Exchange::new(tls_ca)? })
    }

    async fn ask(&self, address: &str) -> OrderRoute {
        match self.takes_messages(address).await {
            Ok(true) => OrderRoute::Known,
            Ok(false) => {
                let topic = self.topic.as_str();
                tracing::warn!(
                    server = address,
                    topic,
                    "a name server knows no broker that takes messages of the order topic"
                );
                OrderRoute::NoBroker
            }
            Err(error) => {
                tracing::warn!(
                    server = address,
                    error = %failure_chain(&error),
                    "a name server does not answer with a route"
                );
                OrderRoute::NoAnswer
            }
        }
    }

    async fn takes_messages(&self, address: &str) -> Result<bool, AskError> {
        let answer = self.exchange.ask(address, &route::request(&self.topic)).await?;
        Ok(route::takes_messages(&answer)?)
    }
}

/// Why a name server's answer says nothing of a route.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("there is no answer")]
    NotAnswered(#[from] ExchangeError),
    #[error("the answer has no route")]
    NoRoute(#[from] RouteError),
}

impl NameServers for RemotingNameServers {
    async fn order_route(&self) -> OrderRoute {
        let asked = self.addresses.iter().map(|address| self.ask(address));
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut found = OrderRoute::NoAnswer;
        while let Some(answer) = answers.next().await {
            match answer {
                OrderRoute::Known => return OrderRoute::Known,
                OrderRoute::NoBroker => found = OrderRoute::NoBroker,
                OrderRoute::NoAnswer => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    use super::*;

    const ROUTE: &str = r#"{"brokerDatas":[{"brokerAddrs":{"0":"10.0.0.7:10911"},"brokerName":"a"}],"queueDatas":[{"brokerName":"a","perm":6,"writeQueueNums":4}]}"#;

    /// What a stand-in does with a request.
    #[derive(Clone, Copy)]
    enum Does {
        /// Answers with a code and a body.
        Answer(i32, &'static str),
        /// Sends these bytes.
        Send(&'static [u8]),
        Close,
        Wait,
    }

    /// Serves until the returned set is dropped.
    async fn server(does: Does) -> (String, JoinSet<()>) {
        server_with(does, None).await
    }

    async fn server_with(does: Does, tls: Option<TlsAcceptor>) -> (String, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => serve(client, does).await,
                        Some(tls) => {
                            // A client that trusts another authority goes away.
                            let Ok(client) = tls.accept(client).await else { return };
                            serve(client, does).await;
                        }
                    }
                });
            }
        });
        (address, serving)
    }

    async fn serve(mut client: impl AsyncRead + AsyncWrite + Unpin, does: Does) {
        let length = client.read_u32().await.unwrap();
        let mut request = vec![0; usize::try_from(length).unwrap()];
        client.read_exact(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request).into_owned();
        assert!(text.contains("\"code\":105") && text.contains("ORDER_EVENTS"), "{text}");
        let sent = match does {
            Does::Answer(code, body) => route::tests::answer(code, body.as_bytes()),
            Does::Send(bytes) => bytes.to_vec(),
            Does::Close => Vec::new(),
            Does::Wait => std::future::pending().await,
        };
        client.write_all(&sent).await.unwrap();
        client.flush().await.unwrap();
    }

    /// A server's end of TLS, and the only authority that it has.
    fn tls() -> (TlsAcceptor, TlsCa) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), TlsCa::Pem(made.cert.pem()))
    }

    async fn found(addresses: &str) -> OrderRoute {
        found_with(addresses, None).await
    }

    async fn found_with(addresses: &str, tls_ca: Option<&TlsCa>) -> OrderRoute {
        let addresses = NameServerAddresses::parse(addresses).unwrap();
        let topic = TopicName::parse("ORDER_EVENTS").unwrap();
        RemotingNameServers::new(addresses, topic, tls_ca).unwrap().order_route().await
    }

    async fn found_at(does: Does) -> OrderRoute {
        let (address, _serving) = server(does).await;
        found(&address).await
    }

    #[tokio::test]
    async fn a_route_with_a_master_is_known() {
        assert_eq!(found_at(Does::Answer(0, ROUTE)).await, OrderRoute::Known);
    }

    #[tokio::test]
    async fn a_name_server_may_know_no_broker_of_the_topic() {
        assert_eq!(found_at(Does::Answer(17, "")).await, OrderRoute::NoBroker);
        let empty = r#"{"brokerDatas":[],"queueDatas":[]}"#;
        assert_eq!(found_at(Does::Answer(0, empty)).await, OrderRoute::NoBroker);
    }

    #[tokio::test]
    async fn a_name_server_that_sends_no_route_has_not_answered() {
        for does in [
            Does::Close,
            Does::Answer(1, "name server not ready"),
            Does::Answer(0, "garbage"),
            Does::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            Does::Send(&[0, 0, 0, 8, 0, 0, 0, 200, 1, 2, 3, 4]),
            Does::Send(&[0, 0, 0, 0]),
            // 16 MiB, of which nothing follows.
            Does::Send(&[1, 0, 0, 0]),
        ] {
            assert_eq!(found_at(does).await, OrderRoute::NoAnswer);
        }
    }

    #[tokio::test]
    async fn a_silent_name_server_is_given_up() {
        let begun = tokio::time::Instant::now();
        assert_eq!(found_at(Does::Wait).await, OrderRoute::NoAnswer);
        assert!(begun.elapsed() < 3 * exchange::ANSWER_TIME_MAX);
        assert_eq!(found(&unused_address().await).await, OrderRoute::NoAnswer);
    }

    #[tokio::test]
    async fn one_name_server_with_a_route_is_enough() {
        let (silent, _silent) = server(Does::Wait).await;
        let (new, _new) = server(Does::Answer(17, "")).await;
        let (good, _good) = server(Does::Answer(0, ROUTE)).await;
        let closed = unused_address().await;
        let begun = tokio::time::Instant::now();
        assert_eq!(found(&format!("{closed};{silent};{new};{good}")).await, OrderRoute::Known);
        assert!(begun.elapsed() < exchange::ANSWER_TIME_MAX, "the silent one was waited for");
        assert_eq!(found(&format!("{silent};{new}")).await, OrderRoute::NoBroker);
    }

    #[tokio::test]
    async fn with_an_authority_only_its_name_servers_are_asked() {
        let ((acceptor, ours), (_, theirs)) = (tls(), tls());
        let (secured, _secured) = server_with(Does::Answer(0, ROUTE), Some(acceptor)).await;
        let (plain, _plain) = server(Does::Answer(0, ROUTE)).await;
        assert_eq!(found_with(&secured, Some(&ours)).await, OrderRoute::Known);
        assert_eq!(found_with(&secured, Some(&theirs)).await, OrderRoute::NoAnswer);
        assert_eq!(found_with(&plain, Some(&ours)).await, OrderRoute::NoAnswer);
        assert_eq!(found(&secured).await, OrderRoute::NoAnswer);
        // While one authority replaces another, both are there.
        let (TlsCa::Pem(ours), TlsCa::Pem(theirs)) = (ours, theirs) else { panic!("texts") };
        let both = TlsCa::Pem(format!("{theirs}{ours}"));
        assert_eq!(found_with(&secured, Some(&both)).await, OrderRoute::Known);
    }

    #[test]
    fn an_authority_that_is_no_certificate_is_refused() {
        let new = |tls_ca: &TlsCa| {
            let addresses = NameServerAddresses::parse("a:9876").unwrap();
            RemotingNameServers::new(addresses, TopicName::parse("T").unwrap(), Some(tls_ca))
        };
        let text = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
        let no_certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for text in [text, no_certificate] {
            assert!(new(&TlsCa::parse(text).unwrap()).is_err(), "{text}");
        }
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
