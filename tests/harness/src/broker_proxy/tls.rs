//! TLS on both sides of a relay, which itself reads frames in plain text.
//!
//! A [`Front`] before the relay ends clients' TLS with the cluster's own certificate. A [`Back`]
//! behind it speaks TLS to the server. The plain text passes only on the loopback interface of this
//! process.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::broker::ClusterAccess;
use crate::door::Door;

/// The first byte of a TLS connection: a handshake record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TlsCounts {
    pub secured: u64,
    /// Handshakes that a client ended with an alert, such as one that trusts another authority. One
    /// whose process died or was frozen amid it sends none, and counts nowhere.
    pub refused: u64,
    /// Connections that began with something else. None of their bytes are passed on.
    pub plain: u64,
}

/// Both ends of TLS, with the certificates of one cluster.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    secured: AtomicU64,
    refused: AtomicU64,
    plain: AtomicU64,
}

impl Tls {
    pub(super) fn new(access: &ClusterAccess) -> anyhow::Result<Self> {
        let certificate = CertificateDer::from_pem_file(&access.certificate)
            .with_context(|| format!("cannot read {}", access.certificate.display()))?;
        let key = PrivateKeyDer::from_pem_file(&access.key)
            .with_context(|| format!("cannot read {}", access.key.display()))?;
        let authority = CertificateDer::from_pem_file(&access.authority)
            .with_context(|| format!("cannot read {}", access.authority.display()))?;
        let mut trusted = RootCertStore::empty();
        trusted.add(authority)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            counters: Arc::default(),
        })
    }

    pub(super) fn counts(&self) -> TlsCounts {
        let Counters { secured, refused, plain } = &*self.counters;
        TlsCounts {
            secured: secured.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
            plain: plain.load(Ordering::Relaxed),
        }
    }

    /// `None` if the client does not finish the handshake.
    async fn accept(&self, client: TcpStream) -> Option<impl AsyncRead + AsyncWrite + Unpin> {
        let mut first = [0];
        // A probe that only connects has sent nothing.
        if client.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        if first != [HANDSHAKE] {
            self.counters.plain.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        match self.acceptor.accept(client).await {
            Ok(client) => {
                self.counters.secured.fetch_add(1, Ordering::Relaxed);
                Some(client)
            }
            Err(error) => {
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
                if let Some(rustls::Error::AlertReceived(_)) = cause {
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                }
                tracing::debug!(%error, "a client has not finished a handshake");
                None
            }
        }
    }
}

/// Ends clients' TLS and passes their bytes to a relay.
pub(super) struct Front(Door);

impl Front {
    /// Listens before the relay, whose address has the same form, on a free port.
    pub(super) async fn open(at: Ipv4Addr, relay: String, tls: &Tls) -> anyhow::Result<Self> {
        let tls = tls.clone();
        let door = Door::open_at(at, move |client| {
            let (tls, relay) = (tls.clone(), relay.clone());
            async move {
                drop(client.set_nodelay(true));
                let Some(mut client) = tls.accept(client).await else { return };
                let Ok(mut relay) = TcpStream::connect(relay).await else { return };
                drop(relay.set_nodelay(true));
                drop(copy_bidirectional(&mut client, &mut relay).await);
            }
        });
        Ok(Self(door.await?))
    }

    pub(super) fn address(&self) -> String {
        self.0.address().to_string()
    }
}

pub(super) struct Back(Door);

impl Back {
    /// Listens on a free port of the loopback interface. `server` is `host:port`.
    pub(super) async fn open(server: &str, tls: &Tls) -> anyhow::Result<Self> {
        let (host, _) = server.rsplit_once(':').context("an address without a port")?;
        let name = ServerName::try_from(host.to_owned())?;
        let (connector, server) = (tls.connector.clone(), server.to_owned());
        let door = Door::open_at(Ipv4Addr::LOCALHOST, move |mut relay| {
            let (connector, server, name) = (connector.clone(), server.clone(), name.clone());
            async move {
                drop(relay.set_nodelay(true));
                let Ok(plain) = TcpStream::connect(server).await else { return };
                drop(plain.set_nodelay(true));
                match connector.connect(name, plain).await {
                    Ok(mut secured) => drop(copy_bidirectional(&mut relay, &mut secured).await),
                    Err(error) => tracing::error!(%error, "a server does not finish a handshake"),
                }
            }
        });
        Ok(Self(door.await?))
    }

    pub(super) fn address(&self) -> String {
        self.0.address().to_string()
    }
}
