//! `cargo xtask ops topics`

use std::time::Duration;

use clap::Subcommand;
use platform::settings::Settings;
use rocketmq::config::RocketmqConfig;

/// How long the cluster may take.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes the order topic (type TRANSACTION), its dead-letter topic and the consumer group on every
    /// master, and waits until they have routes. What is there already is kept. A cluster with access
    /// control or TLS takes `ROCKETMQ_ACCESS_KEY`, `ROCKETMQ_SECRET_KEY` and `ROCKETMQ_TLS_CA` from the
    /// environment.
    Create {
        /// The name servers, host:port, several parted by , or ;
        #[arg(long, value_name = "ADDR")]
        namesrv: String,
        /// The order topic.
        #[arg(long, default_value = "ORDER_EVENTS")]
        topic: String,
        /// What every group's name begins with; two deployments on one cluster must differ in it.
        #[arg(long, value_name = "PREFIX")]
        group_prefix: String,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Create { namesrv, topic, group_prefix } = command;
    let mut settings = Settings::from_environment()
        .with("ROCKETMQ_NAMESRV_ADDR", &namesrv)
        .with("ROCKETMQ_TOPIC", &topic)
        .with("ROCKETMQ_GROUP_PREFIX", &group_prefix);
    let config = RocketmqConfig::read(&mut settings);
    let config = settings.finish(config)?;
    for made in rocketmq::admin::create_topics(config, LIMIT).await? {
        println!("{made}");
    }
    Ok(())
}
