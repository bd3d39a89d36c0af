//! `cargo xtask ops groups`

use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use rocketmq::config::GroupName;

use super::target::NameServerOptions;

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Creates a consumer group on every master, for another team's subscriber: the local broker,
    /// like most in production, lets no unknown group consume. An existing group keeps its
    /// position. For a cluster with access control or TLS, set `ROCKETMQ_ACCESS_KEY`,
    /// `ROCKETMQ_SECRET_KEY` and `ROCKETMQ_TLS_CA` in the environment.
    Create {
        /// The group: 1 to 120 letters, digits, `_` and `-`. It is used as it is, without the
        /// deployment's prefix.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        cluster: NameServerOptions,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Create { name, cluster } = command;
    let group = GroupName::parse(&name).context("NAME")?;
    for created in rocketmq::admin::create_group(cluster.config()?, &group, LIMIT).await? {
        println!("{created}");
    }
    Ok(())
}
