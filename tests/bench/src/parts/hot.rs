//! Many orders of one product and some of nine others, with AWS's latencies and conflicts.
//!
//! Two transactions on one item conflict, so with one order for each transaction, a transaction's
//! latency would limit a product to some 50 orders a second. This part measures how much reserving
//! several orders of one product together improves on that, and whether orders of other products
//! wait for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use harness::order_calls;
use harness::user::{User, order_of};
use harness::weather::WeatherSettings;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, MissedTickBehavior};

use crate::consumer::keep_live;
use crate::orders::{PRODUCTS, Posted};
use crate::rig::{Rig, Site};
use crate::samples::{Samples, rate};

const ACCOUNTS: u64 = 50;

/// Not the demo user's id.
const FIRST_ACCOUNT: u64 = 1_001;

const HOT: u64 = 1;

/// Orders of the nine other products a second.
const OTHERS_RATE: u64 = 20;

/// Processes that create orders: enough for some hundred orders a second, because a process mostly
/// waits.
const INSTANCES: usize = 8;

/// The pause between two looks at the confirmations that were seen, which cost the system nothing.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2);

/// The pause between two reads of the hot product's stock.
const READ_STOCK_AFTER: Duration = Duration::from_millis(20);

const INITIAL_STOCK: u64 = 1_000_000;

/// For an order, or all orders of the hot product, until CONFIRMED.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct HotFigures {
    /// The offered rate: orders of the hot product a second.
    pub(crate) offered: u64,
    pub(crate) orders: u64,
    /// From the first order of the hot product until all of them were CONFIRMED.
    pub(crate) took: Duration,
    /// Items of writes that were refused during that time because of another running write.
    pub(crate) conflicts: u64,
    /// Orders of the other products from POST to CONFIRMED, without the hot product and with it.
    pub(crate) others_alone: Samples,
    pub(crate) others_beside: Samples,
}

impl HotFigures {
    /// CONFIRMED orders of the hot product a second.
    pub(crate) fn confirmed(&self) -> f64 {
        rate(usize::try_from(self.orders).unwrap_or(0), self.took)
    }
}

/// Creates orders of the other products for `seconds`, first alone and then together with `offered`
/// orders of the hot product a second.
pub(crate) async fn measure(rig: &Rig, offered: u64, seconds: u64) -> anyhow::Result<HotFigures> {
    let time = Duration::from_secs(seconds);
    rig.progress().step("ordering nine products");
    let (others_alone, _, _) = run(rig, 0, time).await?;
    rig.progress().step("ordering nine products together with a hot product");
    let (others_beside, hot, conflicts) = run(rig, offered, time).await?;
    let (orders, took) = hot.context("no hot product was ordered")?;
    Ok(HotFigures { offered, orders, took, conflicts, others_alone, others_beside })
}

/// The times of the other products' orders, the number of orders of the hot product and their time,
/// and the number of items that conflicted.
async fn run(
    rig: &Rig,
    offered: u64,
    time: Duration,
) -> anyhow::Result<(Samples, Option<(u64, Duration)>, u64)> {
    let site = Arc::new(rig.site_in(Some(WeatherSettings::AWS), INSTANCES).await?);
    let users = site.users(FIRST_ACCOUNT..FIRST_ACCOUNT + ACCOUNTS).await?;
    let confirmed = Confirmed::watch(&site)?;
    let crowd = Arc::new(Crowd { client: site.table(), site: Arc::clone(&site), users, confirmed });
    let (others, hot) = tokio::select! {
        figures = crowd.run(offered, time) => figures?,
        Err(error) = keep_live(&site.system.host) => return Err(error),
    };
    drop(crowd);
    let conflicts = site.weather()?.consumption().conflicts;
    Arc::into_inner(site).context("an order is not finished")?.stop().await;
    Ok((others, hot, conflicts))
}

/// The times at which orders were CONFIRMED, seen in the table's answers. Reading each order again
/// and again would slow the table down.
#[derive(Clone, Default)]
struct Confirmed(Arc<Mutex<HashMap<String, Instant>>>);

impl Confirmed {
    fn watch(site: &Site) -> anyhow::Result<Self> {
        let confirmed = Self::default();
        let seen = confirmed.clone();
        let proxy = site.system.weather_proxy.as_ref().context("the system has no weather")?;
        proxy.watch(move |call| {
            if order_calls::is_done(call) {
                let orders = order_calls::reserved_by(call).into_iter();
                seen.all().extend(orders.map(|order| (order, Instant::now())));
            }
        });
        Ok(confirmed)
    }

    /// Returns the time at which the order was CONFIRMED.
    async fn wait_for(&self, order_id: &str) -> anyhow::Result<Instant> {
        let started = Instant::now();
        loop {
            if let Some(at) = self.all().get(order_id) {
                return Ok(*at);
            }
            anyhow::ensure!(started.elapsed() < LIMIT, "order {order_id} is not confirmed");
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Crowd {
    site: Arc<Site>,
    users: Vec<Arc<User>>,
    client: Client,
    confirmed: Confirmed,
}

impl Crowd {
    async fn run(
        self: &Arc<Self>,
        offered: u64,
        time: Duration,
    ) -> anyhow::Result<(Samples, Option<(u64, Duration)>)> {
        // All processes start and open their connections.
        let warm_up = |crowd: Arc<Self>, turn: u64| async move {
            crowd.order("warm-up", turn, HOT + 1 + turn % (PRODUCTS - 1)).await
        };
        self.at_rate(ACCOUNTS, Duration::from_secs(1), warm_up).await?;
        let (others, hot) =
            tokio::try_join!(self.order_others(time), self.order_hot(offered, time))?;
        self.check_stock(
            ACCOUNTS + u64::try_from(others.count())?,
            hot.map_or(0, |(orders, _)| orders),
        )
        .await?;
        Ok((others, hot))
    }

    /// Creates orders of the other nine products in turn, and follows each until it is CONFIRMED.
    async fn order_others(self: &Arc<Self>, time: Duration) -> anyhow::Result<Samples> {
        let started = Instant::now();
        let follow = |crowd: Arc<Self>, turn: u64| async move {
            let begun = Instant::now();
            let at = crowd.order("other", turn, HOT + 1 + turn % (PRODUCTS - 1)).await?;
            anyhow::Ok(at.saturating_duration_since(begun))
        };
        let each = self.at_rate(OTHERS_RATE, time, follow).await?;
        Ok(Samples::of(each, started.elapsed()))
    }

    /// Creates orders of the hot product. Returns their number and the time until all of them are
    /// CONFIRMED, or `None` for a rate of 0.
    async fn order_hot(
        self: &Arc<Self>,
        offered: u64,
        time: Duration,
    ) -> anyhow::Result<Option<(u64, Duration)>> {
        if offered == 0 {
            return Ok(None);
        }
        let started = Instant::now();
        let order = |crowd: Arc<Self>, turn: u64| async move { crowd.post("hot", turn, HOT).await };
        let orders = u64::try_from(self.at_rate(offered, time, order).await?.len())?;
        // Every order is for one unit, so the stock shows how many are CONFIRMED.
        while self.stock_of(HOT).await? > INITIAL_STOCK - orders {
            anyhow::ensure!(started.elapsed() < time + LIMIT, "orders of {HOT} are not confirmed");
            tokio::time::sleep(READ_STOCK_AFTER).await;
        }
        Ok(Some((orders, started.elapsed())))
    }

    /// Starts tasks at a steady rate for a time, however long each one takes, and waits for all of
    /// them.
    async fn at_rate<T, Doing>(
        self: &Arc<Self>,
        a_second: u64,
        time: Duration,
        begin: impl Fn(Arc<Self>, u64) -> Doing,
    ) -> anyhow::Result<Vec<T>>
    where
        T: Send + 'static,
        Doing: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(a_second)?);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way = JoinSet::new();
        for turn in 0..a_second * time.as_secs() {
            pace.tick().await;
            under_way.spawn(begin(Arc::clone(self), turn));
        }
        let mut done = Vec::new();
        while let Some(ended) = under_way.join_next().await {
            done.push(ended.context("an order panicked")??);
        }
        Ok(done)
    }

    /// Waits until the order is CONFIRMED, and returns the time at which it was.
    async fn order(&self, key_prefix: &str, turn: u64, product_id: u64) -> anyhow::Result<Instant> {
        let order_id = self.post(key_prefix, turn, product_id).await?;
        self.confirmed.wait_for(&order_id).await
    }

    /// Creates an order with the next account in turn, under the key `<key_prefix>-<turn>`.
    async fn post(&self, key_prefix: &str, turn: u64, product_id: u64) -> anyhow::Result<String> {
        let position = usize::try_from(turn % ACCOUNTS)?;
        let user = self.users.get(position).context("an account has no user")?;
        let posted = Posted::of(Arc::clone(user), order_of(product_id, 1));
        posted.settle(&format!("{key_prefix}-{turn}")).await
    }

    /// Checks that the stock is smaller by exactly the ordered units.
    async fn check_stock(&self, others: u64, hot: u64) -> anyhow::Result<()> {
        let mut gone = 0;
        for product_id in HOT + 1..=PRODUCTS {
            gone += INITIAL_STOCK - self.stock_of(product_id).await?;
        }
        let gone_hot = INITIAL_STOCK - self.stock_of(HOT).await?;
        anyhow::ensure!(
            (gone, gone_hot) == (others, hot),
            "{gone_hot} units of the hot product and {gone} of others for {hot} and {others} orders"
        );
        Ok(())
    }

    async fn stock_of(&self, product_id: u64) -> anyhow::Result<u64> {
        let catalog = self.site.table_name("CatalogTable")?;
        let key = [("pk", format!("PRODUCT#{product_id}"))];
        let product = self.site.item(&self.client, &catalog, &key).await?;
        let product = product.context("the product does not exist")?;
        let stock = product.get("stock").and_then(|stock| stock.as_n().ok());
        Ok(stock.context("a product has no stock")?.parse()?)
    }
}
