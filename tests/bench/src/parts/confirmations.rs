//! The time from the POST of an order until it is CONFIRMED, with a running consumer.

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use harness::provision::DEMO_USER_ID;
use harness::weather::WeatherSettings;
use tokio::time::{Duration, Instant};

use crate::consumer::keep_live;
use crate::orders::Posted;
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// Orders that are followed before the measurement.
const WARM_UP: u64 = 50;

/// The pause between two reads of an order. It limits the load on the table, and adds half of
/// itself to the figure.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(1);

/// For an order, until it is CONFIRMED.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct ConfirmationFigures {
    /// From POST to 201.
    pub(crate) created: Samples,
    /// From POST to CONFIRMED, read from the table.
    pub(crate) confirmed: Samples,
}

/// Follows `orders` orders, one after another, with `weather` before the functions' table.
pub(crate) async fn measure(
    rig: &Rig,
    weather: Option<WeatherSettings>,
    orders: u64,
) -> anyhow::Result<ConfirmationFigures> {
    let site = rig.site_in(weather, 1).await?;
    let follower = Follower::new(&site)?;
    let figures = tokio::select! {
        figures = follow_all(rig, &follower, orders) => figures?,
        Err(error) = keep_live(&site.system.host) => return Err(error),
    };
    site.stop().await;
    Ok(figures)
}

async fn follow_all(
    rig: &Rig,
    follower: &Follower<'_>,
    orders: u64,
) -> anyhow::Result<ConfirmationFigures> {
    rig.progress().step("following orders until they are CONFIRMED");
    for _ in 0..WARM_UP {
        follower.follow().await?;
    }
    let mut figures = ConfirmationFigures::default();
    for _ in 0..orders {
        let (created, confirmed) = follower.follow().await?;
        figures.created.push(created);
        figures.confirmed.push(confirmed);
    }
    Ok(figures)
}

/// Creates orders and reads each one until it is CONFIRMED.
struct Follower<'a> {
    site: &'a Site,
    posted: Posted,
    client: Client,
    orders_table: String,
}

impl<'a> Follower<'a> {
    fn new(site: &'a Site) -> anyhow::Result<Self> {
        let orders_table = site.table_name("OrdersTable")?;
        Ok(Self { site, posted: Posted::new(site), client: site.table(), orders_table })
    }

    /// The times from POST to 201, and to CONFIRMED.
    async fn follow(&self) -> anyhow::Result<(Duration, Duration)> {
        let started = Instant::now();
        let order_id = self.posted.post().await?;
        let created = started.elapsed();
        let key = [("pk", format!("USER#{DEMO_USER_ID}")), ("sk", format!("ORDER#{order_id}"))];
        loop {
            let order = self.site.item(&self.client, &self.orders_table, &key).await?;
            let order = order.with_context(|| format!("order {order_id} does not exist"))?;
            let status = order.get("status").and_then(|status| status.as_s().ok());
            let passed = started.elapsed();
            match status.map(String::as_str) {
                Some("CONFIRMED") => return Ok((created, passed)),
                Some("CREATED") if passed < LIMIT => {}
                other => anyhow::bail!("order {order_id} is {other:?} after {passed:?}"),
            }
            tokio::time::sleep(READ_AGAIN_AFTER).await;
        }
    }
}
