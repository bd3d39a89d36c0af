//! RocketMQ's own administration tool. The operations guide uses it to give the functions' users
//! their rights.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::Command;

use super::BrokerSecurity;

/// Runs as an administrator of a cluster that requires TLS and signed requests.
pub struct Mqadmin {
    jars: PathBuf,
    home: PathBuf,
    namesrv: String,
}

impl Mqadmin {
    /// The administrator's credentials are written to a file below the tool's home folder, from
    /// which it reads them.
    ///
    /// # Errors
    /// When that file cannot be written.
    pub fn new(
        jars: &Path,
        home: PathBuf,
        namesrv: &str,
        administrator: &BrokerSecurity,
    ) -> anyhow::Result<Self> {
        let conf = home.join("conf");
        std::fs::create_dir_all(&conf)?;
        let BrokerSecurity { access_key, secret_key } = administrator;
        let text = format!("accessKey: {access_key}\nsecretKey: {secret_key}\n");
        std::fs::write(conf.join("tools.yml"), text)
            .with_context(|| format!("cannot write to {}", conf.display()))?;
        Ok(Self { jars: jars.to_owned(), home, namesrv: namesrv.to_owned() })
    }

    /// Creates a user without any rights.
    ///
    /// # Errors
    /// When the cluster refuses, or does not answer.
    pub async fn create_user(&self, user: &str, secret: &str) -> anyhow::Result<()> {
        self.run(&["createUser", "-u", user, "-p", secret, "-t", "Normal"]).await
    }

    /// # Errors
    /// When the cluster refuses, or does not answer.
    pub async fn change_secret(&self, user: &str, secret: &str) -> anyhow::Result<()> {
        self.run(&["updateUser", "-u", user, "-p", secret]).await
    }

    /// Grants these actions on these resources, each a list such as `Pub,Sub` and
    /// `Topic:A,Topic:B`.
    ///
    /// # Errors
    /// When the cluster refuses, or does not answer.
    pub async fn allow(&self, user: &str, actions: &str, resources: &str) -> anyhow::Result<()> {
        let subject = format!("User:{user}");
        let right = ["createAcl", "-s", &subject, "-a", actions, "-d", "Allow", "-r", resources];
        self.run(&right).await
    }

    /// Revokes every right of a user on one resource, such as `Topic:A`.
    ///
    /// # Errors
    /// When the cluster refuses, or does not answer.
    pub async fn forbid(&self, user: &str, resource: &str) -> anyhow::Result<()> {
        self.run(&["deleteAcl", "-s", &format!("User:{user}"), "-r", resource]).await
    }

    async fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let class_path = format!("{}/*", self.jars.display());
        let output = Command::new("java")
            .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dtls.enable=true"])
            .arg(format!("-Duser.home={}", self.home.display()))
            .args(["-cp", &class_path, "org.apache.rocketmq.tools.command.MQAdminStartup"])
            .args(arguments)
            .args(["-n", &self.namesrv, "-c", "DefaultCluster"])
            .env("ROCKETMQ_HOME", &self.home)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("there is no `java`, which runs mqadmin")?;
        // The tool exits with 0 even after an error.
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let command = arguments.first().copied().unwrap_or_default();
        anyhow::ensure!(printed.contains(" success."), "{command}: {printed}\n{errors}");
        Ok(())
    }
}
