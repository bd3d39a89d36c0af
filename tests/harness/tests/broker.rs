//! A real Apache RocketMQ is started, killed, restarted and stopped.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use harness::broker::{
    BrokerTuning, Replication, Rocketmq, RocketmqOptions, check_java, cluster_info, ensure_jars,
};
use harness::checkout;
use harness::system::SystemOptions;
use local_lambda::Children;

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_registered_survives_a_kill_and_leaves_no_process_behind() {
    check_java().await.unwrap();
    let target = SystemOptions::isolated(&checkout::root().unwrap()).unwrap().target;
    let data = tempfile::tempdir().unwrap();
    let options = RocketmqOptions {
        jars: ensure_jars(&target).await.unwrap(),
        data: data.path().to_owned(),
        namesrv_port: 0,
        broker_port: 0,
        tuning: BrokerTuning::LOCAL,
        security: None,
        replication: Replication::None,
    };
    let children = Children::new().unwrap();
    let mut cluster = Rocketmq::start(options, &children).await.unwrap();
    let brokers = cluster_info(&cluster.namesrv()).await.unwrap();
    assert!(brokers.contains("broker-a"), "{brokers}");

    let first = cluster.broker_pid();
    cluster.kill_broker().await;
    assert_eq!(children.pids().len(), 1);
    cluster.restart_broker().await.unwrap();
    assert_ne!(cluster.broker_pid(), first);

    cluster.stop().await;
    assert!(children.pids().is_empty());
}
