//! One request and its answer on a new connection, in plain text or with TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::cluster::TlsCa;

/// How long an answer may take, including the DNS look-up, the connection and TLS.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);

/// The longest answer that is read. A route has some 300 bytes for each broker.
const ANSWER_BYTES_MAX: u32 = 256 * 1024;

/// Plain text, or TLS with the authority of `ROCKETMQ_TLS_CA`.
#[derive(Clone)]
pub(super) struct Exchange(Option<TlsConnector>);

/// The certificate authority can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAuthority {
    /// The text or the file has no certificate in PEM.
    #[error("the certificate authority of ROCKETMQ_TLS_CA can't be read")]
    Unreadable(#[source] pem::Error),
    /// There is no authority in the certificate, or no version of TLS.
    #[error("the certificate authority of ROCKETMQ_TLS_CA can't be used")]
    Unusable(#[from] rustls::Error),
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("it did not come in time")]
    OutOfTime,
    #[error("the connection failed")]
    Connection(#[from] io::Error),
    #[error("a certificate can't have this host")]
    Host(#[from] InvalidDnsNameError),
    #[error("it would have {0} bytes")]
    TooLong(u32),
}

impl Exchange {
    pub(super) fn new(tls_ca: Option<&TlsCa>) -> Result<Self, InvalidAuthority> {
        let Some(tls_ca) = tls_ca else { return Ok(Self(None)) };
        let mut trusted = RootCertStore::empty();
        for authority in certificates(tls_ca).map_err(InvalidAuthority::Unreadable)? {
            trusted.add(authority)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self(Some(TlsConnector::from(Arc::new(config)))))
    }

    /// Sends a frame to `address` (`host:port`). Returns the frame of the answer, without its
    /// length.
    pub(super) async fn ask(
        &self,
        address: &str,
        request: &[u8],
    ) -> Result<Vec<u8>, ExchangeError> {
        let answer = timeout(ANSWER_TIME_MAX, Box::pin(self.connect_and_ask(address, request)));
        answer.await.unwrap_or(Err(ExchangeError::OutOfTime))
    }

    async fn connect_and_ask(
        &self,
        address: &str,
        request: &[u8],
    ) -> Result<Vec<u8>, ExchangeError> {
        let stream = TcpStream::connect(address).await?;
        match &self.0 {
            None => exchange(stream, request).await,
            Some(connector) => {
                let host = server_name(address)?;
                exchange(connector.connect(host, stream).await?, request).await
            }
        }
    }
}

fn certificates(tls_ca: &TlsCa) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let certificates: Vec<_> = match tls_ca {
        TlsCa::File(path) => CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?,
        TlsCa::Pem(text) => {
            CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>()?
        }
    };
    if certificates.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(certificates) }
}

/// The host, which must be a subject alternative name of the certificate.
fn server_name(address: &str) -> Result<ServerName<'static>, InvalidDnsNameError> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned())
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
) -> Result<Vec<u8>, ExchangeError> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let length = stream.read_u32().await?;
    if length > ANSWER_BYTES_MAX {
        return Err(ExchangeError::TooLong(length));
    }
    let mut answer = Vec::new();
    let read = stream.take(length.into()).read_to_end(&mut answer).await?;
    if u64::try_from(read).is_ok_and(|read| read < length.into()) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_to_verify_is_the_host_without_brackets_and_port() {
        for (address, host) in
            [("mq.internal:9876", "mq.internal"), ("10.0.0.7:1", "10.0.0.7"), ("[::1]:9876", "::1")]
        {
            assert_eq!(server_name(address).unwrap().to_str(), host);
        }
    }
}
