//! `cargo xtask ops topics`

use std::time::Duration;

use clap::Subcommand;

use super::target::ClusterOptions;

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Creates the order and the user topic (type TRANSACTION), the dead-letter topic and the
    /// consumer group on every master, and waits until they have routes. Existing ones are kept.
    /// For a cluster with access control or TLS, set `ROCKETMQ_ACCESS_KEY`, `ROCKETMQ_SECRET_KEY`
    /// and `ROCKETMQ_TLS_CA` in the environment.
    Create {
        #[command(flatten)]
        cluster: ClusterOptions,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Create { cluster } = command;
    for made in rocketmq::admin::create_topics(cluster.config()?, LIMIT).await? {
        println!("{made}");
    }
    Ok(())
}
