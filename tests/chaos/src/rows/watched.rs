//! W1: each part is stopped in turn, and health and a metric with an alarm show it.

use std::time::Duration;

use harness::faults::{Point, Toxic};
use harness::table_proxy::{TableAnswer, TableCall};
use http::StatusCode;
use tokio::time::Instant;

use super::Bench;
use crate::cluster::Cluster;
use crate::figures::{Figures, Measure};
use crate::judge::{judge_clean, rest};
use crate::rig::{CREATE_ORDER, EVENT_CONSUMER, FUNCTIONS, Rig};
use crate::waiting::eventually;

const HEALTH: &str = "health";

/// Health's text about an event that waits.
const LATE: &str = "pending for more than two minutes";

/// The operations guide names five minutes for every fault that delays events.
const SAID_WITHIN: Duration = Duration::from_secs(300);

pub(super) async fn run(bench: Bench<'_>) -> anyhow::Result<Figures> {
    let cluster = bench.own_cluster(Cluster::TUNING).await?;
    let rig = Rig::start(&cluster, bench.seed).await?.alone_on(&cluster);
    let mut watch = Watch { rig: &rig, figures: Figures::default() };
    let whole = bench.either(false, true);

    watch.consumer().await?;
    if whole {
        watch.name_server(&cluster).await?;
        watch.broker(&cluster).await?;
        watch.catalog().await?;
        watch.tables().await?;
    }
    let watched = watch.figures;
    let mut figures = judge_clean(&rig).await?;
    figures.faults = watched.faults;
    for (name, measure) in watched.measures {
        figures.add_measure(name, measure);
    }
    rig.stop().await;
    Ok(figures)
}

struct Watch<'a> {
    rig: &'a Rig<'a>,
    figures: Figures,
}

impl Watch<'_> {
    async fn name_server(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        cluster.kill_namesrv().await;
        for function in FUNCTIONS.into_iter().chain([HEALTH]) {
            self.rig.proxies_of(function)?.broker.namesrv_relay().refuse().await?;
        }
        self.said("name server", "no RocketMQ name server", "FailedGauges", 1.0).await?;
        cluster.restart_namesrv().await?;
        self.heal().await
    }

    async fn consumer(&mut self) -> anyhow::Result<()> {
        self.rig.windows.keep(EVENT_CONSUMER, 0);
        self.rig.kill_all(EVENT_CONSUMER).await?;
        self.rig.settle("without-consumer").await?;
        self.said("event-consumer", LATE, "OldestPendingEventSeconds", 120.0).await?;
        self.rig.windows.keep(EVENT_CONSUMER, 2);
        self.heal().await
    }

    async fn broker(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        cluster.kill_broker().await;
        self.rig.settle("without-broker").await?;
        self.said("broker", LATE, "EventsDeferred", 1.0).await?;
        cluster.restart_broker().await?;
        self.heal().await
    }

    /// As if the consumer's right to change the stock were missing.
    async fn catalog(&mut self) -> anyhow::Result<()> {
        let table = &self.rig.proxies_of(EVENT_CONSUMER)?.table;
        let denied = TableAnswer::error(StatusCode::BAD_REQUEST, "AccessDeniedException");
        let of_stock = |call: &TableCall| call.touches("PRODUCT#");
        let rule = table.on(Point::Request, of_stock).inflict(Toxic::Answer(denied));
        self.rig.settle("without-stock").await?;
        self.said("event-consumer's right to write", LATE, "EventsPostponed", 1.0).await?;
        drop(rule);
        self.heal().await
    }

    async fn tables(&mut self) -> anyhow::Result<()> {
        for function in [HEALTH, CREATE_ORDER] {
            self.rig.proxies_of(function)?.table.refuse().await?;
        }
        self.said("tables", "No order can be created", "ServerErrors", 1.0).await?;
        for function in [HEALTH, CREATE_ORDER] {
            self.rig.proxies_of(function)?.table.accept().await?;
        }
        self.heal().await
    }

    /// Waits until health's answer contains these words, and a metric has at least this value.
    async fn said(
        &mut self,
        part: &'static str,
        words: &str,
        metric: &str,
        at_least: f64,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        eventually(&format!("health says that {part} is away"), async || {
            let (_, health) = self.rig.get("/health/ready").await?;
            Ok(health.to_string().contains(words).then_some(()))
        })
        .await?;
        let by_health = begun.elapsed();
        eventually(&format!("{metric} says that {part} is away"), async || {
            let highest = self.rig.metric(metric)?;
            Ok(highest.is_some_and(|value| value >= at_least).then_some(()))
        })
        .await?;
        let took = begun.elapsed();
        anyhow::ensure!(took < SAID_WITHIN, "that {part} is away was said after {took:?}");
        self.figures.faults += 1;
        self.figures.add_measure(part, Measure::Longest(by_health));
        Ok(())
    }

    /// Starts whatever was stopped, and waits until the system is at rest and health reports no
    /// problem.
    async fn heal(&self) -> anyhow::Result<()> {
        self.rig.proxies()?.heal().await?;
        rest(self.rig).await?;
        eventually("health says that all is well", async || {
            let (status, health) = self.rig.get("/health/ready").await?;
            let is_well =
                status == 200 && health.get("status").is_some_and(|status| status == "ready");
            Ok(is_well.then_some(()))
        })
        .await
    }
}
