//! RocketMQ's own administration tool, with which the operations guide gives the functions' user
//! its rights.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rocketmq::config::Credentials;
use secrecy::ExposeSecret;
use tokio::process::Command;

/// The tool, as an administrator of a cluster that demands TLS and signed requests.
pub(crate) struct Mqadmin {
    jars: PathBuf,
    home: PathBuf,
    namesrv: String,
}

impl Mqadmin {
    /// The tool reads the administrator's credentials from a file below its home folder.
    pub(crate) fn new(jars: &Path, home: PathBuf, namesrv: &str, as_user: &Credentials) -> Self {
        let conf = home.join("conf");
        std::fs::create_dir_all(&conf).unwrap();
        let secret_key = as_user.secret_key.expose_secret();
        let text = format!("accessKey: {}\nsecretKey: {secret_key}\n", as_user.access_key);
        std::fs::write(conf.join("tools.yml"), text).unwrap();
        Self { jars: jars.to_owned(), home, namesrv: namesrv.to_owned() }
    }

    /// Creates a user without any rights.
    pub(crate) async fn create_user(&self, user: &Credentials) {
        let secret_key = user.secret_key.expose_secret();
        self.run(&["createUser", "-u", &user.access_key, "-p", secret_key, "-t", "Normal"]).await;
    }

    /// Gives a user the right to these actions on these resources.
    pub(crate) async fn allow(&self, user: &str, actions: &str, resources: &str) {
        let subject = format!("User:{user}");
        let (decision, resources) = (["-d", "Allow"], ["-r", resources]);
        let arguments = ["createAcl", "-s", &subject, "-a", actions];
        self.run(&[&arguments[..], &decision[..], &resources[..]].concat()).await;
    }

    async fn run(&self, arguments: &[&str]) {
        let class_path = format!("{}/*", self.jars.display());
        let output = Command::new("java")
            .args(["-Xmx128m", "-Dtls.enable=true"])
            .arg(format!("-Duser.home={}", self.home.display()))
            .args(["-cp", &class_path, "org.apache.rocketmq.tools.command.MQAdminStartup"])
            .args(arguments)
            .args(["-n", &self.namesrv, "-c", "DefaultCluster"])
            .env("ROCKETMQ_HOME", &self.home)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        // The tool exits with 0 even after an error.
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(printed.contains(" success."), "{arguments:?}: {printed}\n{errors}");
    }
}
