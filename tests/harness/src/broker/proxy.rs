//! RocketMQ's proxy, which clients that speak gRPC, such as those for Python and Node, connect to.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use local_lambda::Children;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::ROCKETMQ_VERSION;
use super::java::{JavaProcess, PortTaken};
use super::ports::{free_port, one};
use crate::maven::Artifacts;
use crate::preload;

const PROXY: Artifacts = Artifacts {
    what: "the proxy of Apache RocketMQ",
    version: ROCKETMQ_VERSION,
    folder: "rocketmq-proxy",
    pom: include_str!("../../rocketmq-proxy/pom.xml"),
};

/// Without it the proxy listens on all interfaces: it has no setting for that.
const LOOPBACK: &str = include_str!("../preload/loopback.c");

/// How long it may take to listen on a slow machine.
const START_LIMIT: Duration = Duration::from_secs(60);

#[must_use]
pub fn is_proxy_fetched(target: &Path) -> bool {
    PROXY.are_fetched(target)
}

pub struct RocketmqProxy {
    process: JavaProcess,
    port: u16,
}

impl RocketmqProxy {
    /// Starts the proxy of a cluster whose broker has registered. It listens for gRPC on
    /// `grpc_port`, or on a free port for 0. `data` is a folder of its own; jars are cached below
    /// `target`.
    ///
    /// # Errors
    /// When the port is not available, Maven cannot fetch the jars, or the proxy does not listen.
    pub async fn start(
        namesrv: &str,
        grpc_port: u16,
        data: &Path,
        target: &Path,
        children: &Children,
    ) -> anyhow::Result<Self> {
        let jars = PROXY.ensure(target).await?;
        let loopback = preload::library(target, "loopback", LOOPBACK).await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let (port, remoting_port) = (one(grpc_port, "--proxy-port")?, free_port()?);
            let config = json!({
                "proxyMode": "CLUSTER",
                "rocketMQClusterName": "DefaultCluster",
                "proxyName": "proxy-a",
                "namesrvAddr": namesrv,
                "localServeAddr": "127.0.0.1",
                "grpcServerPort": port,
                "remotingListenPort": remoting_port,
                // The broker itself creates the group of a topic with this prefix.
                "heartbeatSyncerTopicName": "RMQ_SYS_PROXY_HEARTBEAT",
            });
            let file = data.join("rmq-proxy.json");
            tokio::fs::write(&file, config.to_string())
                .await
                .with_context(|| format!("cannot write {}", file.display()))?;
            let command = command(&jars, data, &file, &loopback);
            let mut process = JavaProcess::start("proxy", command, data, None, children)?;
            // The port for gRPC is opened first.
            let listens = || async move {
                TcpStream::connect((Ipv4Addr::LOCALHOST, remoting_port)).await.is_ok()
            };
            match process.until(START_LIMIT, listens).await {
                Ok(()) => return Ok(Self { process, port }),
                Err(error)
                    if grpc_port == 0 && tries < super::PORT_TRIES && error.is::<PortTaken>() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Clients connect here by gRPC, `host:port`.
    #[must_use]
    pub fn grpc(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Immediately: the proxy keeps no state, and a graceful stop takes ten seconds.
    pub async fn kill(self) {
        self.process.kill().await;
    }
}

fn command(jars: &Path, data: &Path, config: &Path, loopback: &Path) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xms32m", "-Xmx96m", "-XX:MaxDirectMemorySize=64m"])
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(format!("-Duser.home={}", data.display()))
        .arg(format!("-Djava.io.tmpdir={}", data.display()))
        .args(["-cp", &format!("{}/*", jars.display())])
        .args(["org.apache.rocketmq.proxy.ProxyStartup", "-pc"])
        .arg(config)
        .current_dir(data)
        .env("ROCKETMQ_HOME", data)
        .env("RMQ_PROXY_HOME", data)
        .env("LD_PRELOAD", loopback)
        .env_remove("NAMESRV_ADDR")
        .stdin(Stdio::null());
    command
}
