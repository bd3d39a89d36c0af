//! How fast event-consumer drains events that wait, and how fast the table could at the most.

mod ceiling;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use tokio::time::Instant;

use crate::consumer::{EVENT_CONSUMER, keep_live};
use crate::load;
use crate::orders::{Invoked, PRODUCTS};
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// How many orders are placed at once to make the events.
const PLACED_AT_ONCE: usize = 8;

/// The pause between two looks at what is left. A look reads the stock of ten products.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How long nothing may happen before the measurement is given up.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What is measured.
pub(crate) struct EventFigures {
    /// How many `OrderCreated` were waiting.
    pub(crate) events: u64,
    /// Until inventory had decided of every order.
    pub(crate) decided: Duration,
    /// Until the `OrderConfirmed` that followed, one for each, were handled too.
    pub(crate) all_handled: Duration,
    /// The same transaction and update for each order by bare calls: orders, not calls.
    pub(crate) ceiling: Samples,
    pub(crate) peak_bytes: Option<u64>,
}

/// Lets `events` events wait, and a consumer loose on them.
pub(crate) async fn measure(rig: &Rig, events: u64) -> anyhow::Result<EventFigures> {
    let ceiling = ceiling::measure(rig, events).await?;
    let site = rig.site(PLACED_AT_ONCE).await?;
    rig.progress().step(&format!("placing {events} orders whose events wait"));
    let stock = Stock::new(&site)?;
    let full = stock.left().await?;
    let invoked = Arc::new(Invoked::new(rig, &site)?);
    load::run(&invoked, PLACED_AT_ONCE, events).await?;
    rig.progress().step(&format!("draining {events} events"));
    let sold_out = full.checked_sub(events).context("there is not enough stock")?;
    let (decided, all_handled) = tokio::select! {
        drained = drain(&site, &stock, sold_out) => drained?,
        Err(error) = keep_live(&site.system.host) => return Err(error),
    };
    let peak_bytes = site.peak_memory(EVENT_CONSUMER)?;
    site.stop().await;
    Ok(EventFigures { events, decided, all_handled, ceiling, peak_bytes })
}

/// Waits until the stock is down to `sold_out`, and then until no event is pending. Every order
/// is of one unit, so the stock tells how many are decided.
async fn drain(site: &Site, stock: &Stock, sold_out: u64) -> anyhow::Result<(Duration, Duration)> {
    let started = Instant::now();
    let mut last = (u64::MAX, started);
    loop {
        let left = stock.left().await?;
        if left <= sold_out {
            break;
        }
        if left != last.0 {
            last = (left, Instant::now());
        }
        let waiting = left - sold_out;
        anyhow::ensure!(last.1.elapsed() < STUCK_AFTER, "{waiting} events are not drained");
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    let decided = started.elapsed();
    while any_pending(site, &stock.client).await? {
        let passed = started.elapsed();
        anyhow::ensure!(passed < decided * 2 + STUCK_AFTER, "events stay pending");
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    Ok((decided, started.elapsed()))
}

/// Whether any event is not handled yet.
pub(crate) async fn any_pending(site: &Site, client: &Client) -> anyhow::Result<bool> {
    let orders = site.table_name("OrdersTable")?;
    let page = client.scan().table_name(orders).index_name("pending").limit(1).send().await?;
    Ok(page.count() > 0)
}

/// The stock of all products together.
struct Stock {
    client: Client,
    catalog: String,
}

impl Stock {
    fn new(site: &Site) -> anyhow::Result<Self> {
        Ok(Self { client: site.table(), catalog: site.table_name("CatalogTable")? })
    }

    async fn left(&self) -> anyhow::Result<u64> {
        let keys = (1..=PRODUCTS).map(|product_id| {
            let key = AttributeValue::S(format!("PRODUCT#{product_id}"));
            std::collections::HashMap::from([("pk".to_owned(), key)])
        });
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()?;
        let answer = self.client.batch_get_item().request_items(&self.catalog, wanted);
        let answer = answer.send().await?.responses.context("the catalog answers with nothing")?;
        answer.into_values().flatten().try_fold(0, |sum, item| {
            let stock = item.get("stock").and_then(|stock| stock.as_n().ok());
            let stock: u64 = stock.context("a product has no stock")?.parse()?;
            Ok(sum + stock)
        })
    }
}
