//! Java processes as guarded children.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use local_lambda::{Child, Children};
use tokio::process::Command;
use tokio::time::Instant;

use super::{RocketmqOptions, security, settings};

/// The oldest Java version with the module options that the broker needs.
const JAVA_MIN: u32 = 11;
/// How many of a log's last lines an error quotes.
const TAIL_LINES: usize = 20;
const POLL: Duration = Duration::from_millis(100);

/// Checks that the installed Java can run the broker.
///
/// # Errors
/// When Java is missing or too old, with the command that installs it.
pub async fn check_java() -> anyhow::Result<()> {
    const INSTALL: &str = "install one with `apt-get install openjdk-17-jre-headless`";
    let output = Command::new("java").arg("-version").stdin(Stdio::null()).output().await;
    let Ok(output) = output else {
        anyhow::bail!("there is no `java`, which runs Apache RocketMQ; {INSTALL}");
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let major = major_version(&text);
    anyhow::ensure!(
        major.is_some_and(|major| major >= JAVA_MIN),
        "Java {JAVA_MIN} or later is needed, and `java -version` ends with {} and says:\n{}{}\n\
         {INSTALL}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        text
    );
    Ok(())
}

/// Checks that the installed Maven works.
///
/// # Errors
/// When Maven is missing or fails, with the command that installs it.
pub async fn check_maven() -> anyhow::Result<()> {
    const INSTALL: &str = "install one with `apt-get install maven`";
    let output = Command::new("mvn").arg("--version").stdin(Stdio::null()).output().await;
    let Ok(output) = output else {
        anyhow::bail!("there is no `mvn`, which fetches Apache RocketMQ; {INSTALL}");
    };
    anyhow::ensure!(
        output.status.success(),
        "Maven is needed once, to fetch Apache RocketMQ, and `mvn --version` ends with {} and \
         says:\n{}{}\n{INSTALL}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The 17 of `openjdk version "17.0.15"` and the 8 of `java version "1.8.0_292"`.
fn major_version(text: &str) -> Option<u32> {
    let version = text.lines().find(|line| line.contains(" version \""))?.split('"').nth(1)?;
    let mut parts = version.split(['.', '-', '_', '+']).map(str::parse::<u32>);
    match parts.next()?.ok()? {
        1 => parts.next()?.ok(),
        major => Some(major),
    }
}

pub(super) async fn namesrv_command(
    options: &RocketmqOptions,
    config: &Path,
) -> anyhow::Result<Command> {
    // The name server has little to do: a second compiler and a parallel collector would cost more
    // than they gain.
    let jvm_options = ["-Xms64m", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
    let class = "org.apache.rocketmq.namesrv.NamesrvStartup";
    command(options, config, &jvm_options, "permissive", class).await
}

pub(super) async fn broker_command(
    options: &RocketmqOptions,
    config: &Path,
) -> anyhow::Result<Command> {
    let mut jvm_options = vec![
        "-Xms256m",
        "-Xmx512m",
        "-XX:MaxDirectMemorySize=1g",
        "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
    ];
    if options.tuning.short_lived {
        jvm_options.push("-XX:TieredStopAtLevel=1");
    }
    let class = "org.apache.rocketmq.broker.BrokerStartup";
    command(options, config, &jvm_options, "enforcing", class).await
}

async fn command(
    options: &RocketmqOptions,
    config: &Path,
    jvm_options: &[&str],
    tls_mode: &str,
    class: &str,
) -> anyhow::Result<Command> {
    let home = settings::home(options);
    let class_path = format!("{}:{}/*", home.join("conf").display(), options.jars.display());
    let mut command = Command::new("java");
    if options.security.is_some() {
        let file = security::tls(options).await?;
        command.arg(format!("-Dtls.config.file={}", file.display()));
        // The TLS settings file cannot set this (`TlsSystemConfig.java`).
        command.arg(format!("-Dtls.server.mode={tls_mode}"));
    }
    command
        .args(jvm_options)
        // By default both write logs, and the broker also state, below the user's home folder.
        .arg(format!("-Duser.home={}", options.data.display()))
        // The broker unpacks its libraries here, 13 MB at each start.
        .arg(format!("-Djava.io.tmpdir={}", options.data.display()))
        .args(["-cp", &class_path, class, "-c"])
        .arg(config)
        .current_dir(&options.data)
        .env("ROCKETMQ_HOME", &home)
        .env_remove("NAMESRV_ADDR")
        .stdin(Stdio::null());
    Ok(command)
}

/// Part of the output of a Java process that cannot listen on its port.
const BIND_EXCEPTION: &str = "java.net.BindException";

/// A Java process ended because another process had taken its port.
#[derive(Debug, thiserror::Error)]
#[error("another process has taken a port that was free")]
pub(super) struct PortTaken;

pub(crate) struct JavaProcess {
    name: &'static str,
    child: Child,
    /// The console output first, then the log that the process writes itself.
    logs: Vec<PathBuf>,
}

impl JavaProcess {
    /// Starts `command`. Errors quote its output and `own_log`, a log that it writes below the data
    /// folder.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        data: &Path,
        own_log: Option<&str>,
        children: &Children,
    ) -> anyhow::Result<Self> {
        let file = name.replace(' ', "-");
        let console = data.join(format!("{file}.out"));
        let output = File::create(&console)
            .with_context(|| format!("cannot write {}", console.display()))?;
        command.stdout(output.try_clone()?).stderr(output);
        let child = children.spawn(&mut command).with_context(|| format!("cannot start {name}"))?;
        let own_log = own_log.map(|log| data.join(log));
        Ok(Self { name, child, logs: [console].into_iter().chain(own_log).collect() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Calls `ready` until it returns `true`, the process ends, or `limit` is over.
    pub(crate) async fn until<F: Future<Output = bool>>(
        &mut self,
        limit: Duration,
        ready: impl Fn() -> F,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.exit_status() {
                let tail = self.tail().await;
                let error = anyhow::anyhow!("the {} ended with {status}:\n{tail}", self.name);
                return Err(if self.could_not_listen().await {
                    error.context(PortTaken)
                } else {
                    error
                });
            }
            if ready().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let (seconds, tail) = (limit.as_secs(), self.tail().await);
                anyhow::bail!("the {} is not ready after {seconds} s:\n{tail}", self.name);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) async fn stop(self, grace: Duration) {
        self.child.stop(grace).await;
    }

    pub(super) async fn kill(mut self) {
        self.child.kill().await;
    }

    async fn tail(&self) -> String {
        let mut tails = Vec::new();
        for path in &self.logs {
            let text = read(path).await;
            let lines: Vec<_> = text.lines().collect();
            let start = lines.len().saturating_sub(TAIL_LINES);
            let last = lines.get(start..).unwrap_or_default().join("\n");
            tails.push(format!("--- {}\n{last}", path.display()));
        }
        tails.join("\n")
    }

    async fn could_not_listen(&self) -> bool {
        for path in &self.logs {
            if read(path).await.contains(BIND_EXCEPTION) {
                return true;
            }
        }
        false
    }
}

async fn read(log: &Path) -> String {
    let text = tokio::fs::read(log).await.unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use local_lambda::Children;
    use tokio::process::Command;

    use super::{JavaProcess, PortTaken, major_version};

    async fn error_after(line: &str) -> anyhow::Error {
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo \"$0\"; exit 255", line]);
        let children = Children::new().unwrap();
        let mut process =
            JavaProcess::start("broker", command, data.path(), None, &children).unwrap();
        process.until(Duration::from_secs(60), async || false).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_taken_port_is_distinguished_from_other_failures() {
        let error = error_after("Caused by: java.net.BindException: Address already in use").await;
        assert!(error.is::<PortTaken>(), "{error:#}");
        assert!(format!("{error:#}").contains("exit status: 255"), "{error:#}");
        let error = error_after("java.lang.OutOfMemoryError").await;
        assert!(!error.is::<PortTaken>(), "{error:#}");
    }

    #[test]
    fn javas_version_is_read_in_both_schemes() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15\n"), Some(17));
        assert_eq!(major_version("openjdk version \"21-ea\" 2023\n"), Some(21));
        assert_eq!(major_version("java version \"1.8.0_292\"\n"), Some(8));
        assert_eq!(major_version("no version here"), None);
    }
}
