//! Finds, starts or installs the container engine.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::checks::sam::ARCHITECTURE;
use crate::checks::succeeds;

/// For an engine to start, and also to end.
const START_LIMIT: Duration = Duration::from_secs(30);

const PULL_LIMIT: Duration = Duration::from_secs(120);

fn base_image() -> String {
    format!("public.ecr.aws/lambda/provided:al2023-{ARCHITECTURE}")
}

pub(super) struct Engine {
    /// Set if this program started it.
    daemon: Option<Child>,
}

/// Finds a running engine, or starts an installed one. The inner error is the reason why neither is
/// possible.
pub(super) async fn find(install: bool, log: &Path) -> anyhow::Result<Result<Engine, String>> {
    if answers().await {
        return Ok(Ok(Engine { daemon: None }));
    }
    if install && !succeeds("dockerd", &["--version"]).await {
        eprintln!("── installing docker.io");
        let script =
            "apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io";
        let mut apt = Command::new("/bin/sh");
        apt.args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        let status = apt.status().await.context("cannot start /bin/sh")?;
        if !status.success() {
            return Ok(Err("cannot install docker.io".to_owned()));
        }
    }
    if !succeeds("dockerd", &["--version"]).await {
        return Ok(Err("dockerd is missing; --install installs Debian's docker.io".to_owned()));
    }
    start(log).await
}

async fn start(log: &Path) -> anyhow::Result<Result<Engine, String>> {
    let output = File::create(log).with_context(|| format!("{}", log.display()))?;
    let daemon = Command::new("dockerd")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start dockerd")?;
    let mut engine = Engine { daemon: Some(daemon) };
    let until = Instant::now() + START_LIMIT;
    while !answers().await {
        let ended = engine
            .daemon
            .as_mut()
            .is_some_and(|daemon| daemon.try_wait().is_ok_and(|status| status.is_some()));
        if ended || Instant::now() > until {
            engine.stop().await;
            return Ok(Err(format!("dockerd does not run; see {}", log.display())));
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(Ok(engine))
}

async fn answers() -> bool {
    succeeds("docker", &["version", "--format", "{{.Server.Version}}"]).await
}

/// The gateway of a network, from a text `GATEWAY SUBNET`. A newly installed engine reports no
/// gateway before its second start; it uses the subnet's first address.
fn gateway_of(text: &str) -> Option<Ipv4Addr> {
    let (gateway, subnet) = text.trim_end().rsplit_once(' ')?;
    if let Ok(gateway) = gateway.trim().parse() {
        return Some(gateway);
    }
    let network: Ipv4Addr = subnet.split('/').next()?.parse().ok()?;
    Some(Ipv4Addr::from_bits(network.to_bits().checked_add(1)?))
}

impl Engine {
    /// Makes the functions' base image available: from a registry or, if none can be reached, built
    /// here.
    pub(super) async fn base_image(&self, root: &Path) -> anyhow::Result<()> {
        let image = base_image();
        if succeeds("docker", &["image", "inspect", &image]).await {
            return Ok(());
        }
        eprintln!("── pulling {image}");
        let pulled = timeout(PULL_LIMIT, succeeds("docker", &["pull", &image])).await;
        if pulled == Ok(true) {
            return Ok(());
        }
        eprintln!("── cannot pull the image; making a substitute");
        let mut make = Command::new(root.join("docker/base-image.sh"));
        let status = make.arg(&image).stdin(Stdio::null()).status().await;
        let made = status.context("cannot start docker/base-image.sh")?.success();
        anyhow::ensure!(made, "cannot make the base image");
        Ok(())
    }

    pub(super) async fn gateway(&self) -> anyhow::Result<Ipv4Addr> {
        let format = "{{with index .IPAM.Config 0}}{{.Gateway}} {{.Subnet}}{{end}}";
        let mut inspect = Command::new("docker");
        inspect.args(["network", "inspect", "bridge", "--format", format]).stdin(Stdio::null());
        let output = inspect.output().await.context("cannot start docker")?;
        let text = String::from_utf8_lossy(&output.stdout);
        gateway_of(&text).with_context(|| format!("the bridge has no gateway: {:?}", text.trim()))
    }

    pub(super) async fn stop(self) {
        let Some(mut daemon) = self.daemon else { return };
        // At SIGTERM the engine ends its own children, at SIGKILL it leaves them behind.
        if let Some(pid) = daemon.id() {
            succeeds("kill", &["-TERM", &pid.to_string()]).await;
        }
        if timeout(START_LIMIT, daemon.wait()).await.is_err() {
            eprintln!("dockerd did not end in time and is killed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::gateway_of;

    #[test]
    fn a_gateway_is_reported_or_the_first_address_of_the_subnet() {
        assert_eq!(gateway_of("172.17.0.9 172.17.0.0/16\n"), Some(Ipv4Addr::new(172, 17, 0, 9)));
        assert_eq!(gateway_of(" 172.17.0.0/16\n"), Some(Ipv4Addr::new(172, 17, 0, 1)));
        assert_eq!(gateway_of("\n"), None);
    }
}
