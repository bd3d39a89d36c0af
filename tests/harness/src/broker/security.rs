//! A cluster with TLS and authentication.

use std::path::PathBuf;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use super::RocketmqOptions;

/// Makes the broker require TLS and signed requests.
///
/// That is `tls.server.mode=enforcing`, and ACL 2.0 by `authenticationEnabled` and
/// `authorizationEnabled`. The name server accepts TLS and plain text, because the broker itself
/// registers in plain text.
#[derive(Debug, Clone)]
pub struct BrokerSecurity {
    /// The first user: an administrator, who creates the others.
    pub access_key: String,
    pub secret_key: String,
}

impl BrokerSecurity {
    pub(super) fn settings(&self) -> String {
        let Self { access_key, secret_key } = self;
        let user = serde_json::json!({"username": access_key, "password": secret_key});
        let inner = serde_json::json!({"accessKey": access_key, "secretKey": secret_key});
        let auth = "org.apache.rocketmq.auth";
        format!(
            "authenticationEnabled=true\n\
             authenticationProvider={auth}.authentication.provider.DefaultAuthenticationProvider\n\
             authenticationMetadataProvider=\
             {auth}.authentication.provider.LocalAuthenticationMetadataProvider\n\
             initAuthenticationUser={user}\n\
             innerClientAuthenticationCredentials={inner}\n\
             authorizationEnabled=true\n\
             authorizationProvider={auth}.authorization.provider.DefaultAuthorizationProvider\n\
             authorizationMetadataProvider=\
             {auth}.authorization.provider.LocalAuthorizationMetadataProvider\n"
        )
    }
}

#[derive(Debug, Clone)]
pub struct ClusterAccess {
    /// The PEM file of the authority that signed the cluster's certificate.
    pub authority: PathBuf,
    /// The PEM file of the cluster's certificate, for a proxy in its place.
    pub certificate: PathBuf,
    /// The PEM file of the certificate's private key.
    pub key: PathBuf,
    pub administrator: BrokerSecurity,
}

impl ClusterAccess {
    pub(super) fn to(options: &RocketmqOptions) -> Option<Self> {
        let administrator = options.security.clone()?;
        let folder = folder(options);
        let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.join(name));
        Some(Self { authority: authority(options), certificate, key, administrator })
    }
}

fn folder(options: &RocketmqOptions) -> PathBuf {
    options.data.join("tls")
}

pub(super) fn authority(options: &RocketmqOptions) -> PathBuf {
    folder(options).join("authority.pem")
}

/// Makes an authority and a certificate for 127.0.0.1 signed by it, and returns the TLS settings
/// file of both servers. Existing certificates are kept, so that clients still trust a restarted
/// broker.
pub(super) async fn tls(options: &RocketmqOptions) -> anyhow::Result<PathBuf> {
    let folder = folder(options);
    tokio::fs::create_dir_all(&folder).await?;
    if !authority(options).exists() {
        let made = certificates().context("cannot make certificates")?;
        for (name, pem) in [
            ("server.pem", made.certificate),
            ("server.key", made.key),
            ("authority.pem", made.authority),
        ] {
            tokio::fs::write(folder.join(name), pem).await?;
        }
    }
    let text = format!(
        "tls.test.mode.enable=false\ntls.server.need.client.auth=none\n\
         tls.server.certPath={folder}/server.pem\ntls.server.keyPath={folder}/server.key\n",
        folder = folder.display()
    );
    let file = folder.join("tls.properties");
    tokio::fs::write(&file, text)
        .await
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// The certificate, in PEM, of an authority that has signed no other.
///
/// # Errors
/// When it cannot be made.
pub fn strange_authority() -> anyhow::Result<String> {
    Ok(new_authority()?.pem())
}

struct Certificates {
    authority: String,
    certificate: String,
    key: String,
}

fn new_authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(authority, KeyPair::generate()?)
}

fn certificates() -> Result<Certificates, rcgen::Error> {
    let authority = new_authority()?;
    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok(Certificates {
        authority: authority.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}
