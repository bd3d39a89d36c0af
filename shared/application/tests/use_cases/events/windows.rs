//! How many messages a window of event-consumer asks for, and what it reports while it runs.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{
    ConsumeEvents, ConsumptionReport, EventHandler, HandlerError, IncomingEvent, Registry,
    Subscribed,
};
use application::orders::create::CreateOrderCommand;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::EventSubscription;
use contracts::event::EventType;
use domain::identity::ProductId;
use futures::FutureExt;
use futures::future::BoxFuture;
use testkit::broker::{MemoryBroker, MemoryDelivery};
use testkit::clock::ManualClock;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::identities::SequentialIdentities;
use testkit::samples::{lines, product, product_id};
use testkit::tables::MemoryTables;
use testkit::world::World;
use tokio::time::{Instant, sleep};

use super::handlers::mark;
use super::{SHORT, consume, created};
use crate::orders::create::{command, create, world};

/// A world with enough stock, and orders of one item each.
async fn world_with(orders: usize) -> World {
    let world = world();
    world.tables.put_product(product(1, 1_000));
    for _ in 0..orders {
        created(&world, 1).await;
    }
    world
}

/// What the requests for messages were.
#[derive(Default)]
struct Requests {
    /// When each was made, and how many messages it asked for.
    made: Mutex<Vec<(Instant, usize)>>,
    open: AtomicUsize,
    open_at_most: AtomicUsize,
}

struct Watched<'a> {
    broker: MemoryBroker,
    requests: &'a Requests,
    /// Whether it finds nothing, and says so after a millisecond, although it should wait.
    is_hasty: bool,
}

impl EventSubscription for Watched<'_> {
    type Delivery = MemoryDelivery;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<MemoryDelivery>, Failure> {
        self.requests.made.lock().unwrap().push((Instant::now(), most));
        let open = self.requests.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.requests.open_at_most.fetch_max(open, Ordering::SeqCst);
        let received = if self.is_hasty {
            sleep(Duration::from_millis(1)).await;
            Ok(Vec::new())
        } else {
            self.broker.receive(most, deadline).await
        };
        self.requests.open.fetch_sub(1, Ordering::SeqCst);
        received
    }

    async fn acknowledge(&self, delivery: &MemoryDelivery) -> WriteTry<Infallible> {
        self.broker.acknowledge(delivery).await
    }

    async fn retry_after(
        &self,
        delivery: &MemoryDelivery,
        delay: Duration,
    ) -> WriteTry<Infallible> {
        self.broker.retry_after(delivery, delay).await
    }
}

type Watching<'a> = ConsumeEvents<
    Watched<'a>,
    MemoryTables,
    MemoryBroker,
    MemoryTables,
    MemoryBroker,
    ManualClock,
    SequentialIdentities,
>;

fn watching<'a>(world: &World, requests: &'a Requests) -> Watching<'a> {
    let ConsumeEvents { handling, giving_up, pace, .. } =
        world.consume_pending(Registry::default());
    let subscription = Watched { broker: world.broker.clone(), requests, is_hasty: false };
    ConsumeEvents { subscription, handling, giving_up, pace }
}

#[tokio::test(start_paused = true)]
async fn requests_ask_for_more_messages_as_long_as_events_are_handled() {
    let world = world_with(100).await;
    let requests = Requests::default();
    watching(&world, &requests).run(Deadline::after(SHORT)).await;
    let made = requests.made.into_inner().unwrap();
    // Half of the eight that may be handled at once at first, and half of the 64 at most.
    assert_eq!(made.first().map(|(_, most)| *most), Some(4));
    assert_eq!(made.iter().map(|(_, most)| *most).max(), Some(32));
    assert_eq!(requests.open_at_most.into_inner(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_ask_for_fewer_messages_while_the_table_is_overloaded() {
    let world = world_with(20).await;
    world.tables.fail_every_call(Operation::FindAggregate, Fault::Refused(FailureClass::Throttled));
    let requests = Requests::default();
    watching(&world, &requests).run(Deadline::after(SHORT)).await;
    let made = requests.made.into_inner().unwrap();
    assert_eq!(made.last().map(|(_, most)| *most), Some(1));
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_open_than_the_pace_says() {
    let world = world_with(20).await;
    let requests = Requests::default();
    let mut consumer = watching(&world, &requests);
    consumer.pace.pollers = 1;
    consumer.run(Deadline::after(SHORT)).await;
    assert_eq!(requests.open_at_most.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_failed_request_in_a_row_is_followed_by_a_longer_pause() {
    let world = world_with(0).await;
    world.broker.script(BrokerFault::ReceiveFails, 3);
    let requests = Requests::default();
    let mut consumer = watching(&world, &requests);
    consumer.pace.pollers = 1;
    consumer.run(Deadline::after(SHORT)).await;
    let made = requests.made.into_inner().unwrap();
    let pauses = made.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis());
    assert_eq!(pauses.take(3).collect::<Vec<_>>(), [100, 200, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_wait_for_messages_is_asked_five_times_a_second() {
    let world = world_with(0).await;
    let requests = Requests::default();
    let mut consumer = watching(&world, &requests);
    consumer.subscription.is_hasty = true;
    consumer.pace.pollers = 1;
    consumer.run(Deadline::after(SHORT)).await;
    let made = requests.made.into_inner().unwrap();
    let pauses: Vec<_> = made.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
    assert!(pauses.len() > 200, "{} requests", made.len());
    assert!(pauses.iter().all(|pause| *pause == 200), "{pauses:?}");
}

/// Takes a second for each order of one product.
struct Slow {
    product: ProductId,
    tables: MemoryTables,
    under_way: AtomicUsize,
    at_most: Arc<AtomicUsize>,
}

impl Slow {
    async fn work(&self, incoming: &IncomingEvent<'_>) -> Result<(), HandlerError> {
        let StoredAggregate::Order(stored) = incoming.stored else { panic!("not an order") };
        if stored.order.lines()[0].product_id == self.product {
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_most.fetch_max(under_way, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
        }
        mark(&self.tables, incoming, self.name()).await
    }
}

impl EventHandler for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        self.work(incoming).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_events_are_handled_at_once_than_the_pace_says_and_a_batch() {
    let world = world_with(40).await;
    let at_most = Arc::default();
    let mut consumer = world.consume_pending(slow(&world, product_id(1), &at_most));
    consumer.pace.events_at_once = 4;
    let report = consumer.run(Deadline::after(SHORT)).await;
    assert_eq!(report.handled, 80, "{report:?}");
    // A batch has two messages. It is asked for while three events are handled.
    let at_most = at_most.load(Ordering::SeqCst);
    assert!((4..=5).contains(&at_most), "{at_most} at once");
}

fn slow(world: &World, product: ProductId, at_most: &Arc<AtomicUsize>) -> Registry {
    let (tables, under_way) = (world.tables.clone(), AtomicUsize::new(0));
    let slow = Slow { product, tables, under_way, at_most: Arc::clone(at_most) };
    Registry::default().with(Subscribed::To(&[EventType::OrderCreated]), slow)
}

#[tokio::test(start_paused = true)]
async fn orders_that_waited_for_one_write_take_no_place_once_it_is_made() {
    let world = world_with(40).await;
    world.tables.put_product(product(2, 1_000));
    world.tables.script(Operation::Reserve, [Fault::RequestLost]);
    let at_most = Arc::default();
    let mut consumer = world.consume_pending(slow(&world, product_id(2), &at_most));
    consumer.pace.events_at_once = 4;
    let later = async {
        sleep(Duration::from_secs(10)).await;
        for _ in 0..40 {
            let lines = lines(&[(2, 1)]);
            let command = CreateOrderCommand { lines, ..command(1, None) };
            create(&world, &command).await.unwrap();
        }
    };
    let (report, ()) = tokio::join!(consumer.run(Deadline::after(SHORT)), later);
    assert_eq!(report.handled, 160, "{report:?}");
    let at_most = at_most.load(Ordering::SeqCst);
    assert!((4..=5).contains(&at_most), "{at_most} at once");
}

#[tokio::test(start_paused = true)]
async fn who_writes_for_others_takes_a_place_and_they_take_none() {
    let world = world_with(6).await;
    world.tables.put_product(product(2, 1_000));
    // The first write has no answer for a second. The other five orders go into the next one.
    world.tables.script(Operation::Reserve, [Fault::RequestLost]);
    let at_most: Arc<AtomicUsize> = Arc::default();
    let mut consumer = world.consume_pending(slow(&world, product_id(2), &at_most));
    consumer.pace.events_at_once = 2;
    let looking = async {
        // Polled with the consumer, so that the second try of the first write is its last one.
        poll_fn(|_| match world.tables.calls(Operation::Reserve) {
            0 | 1 => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        world.tables.script(Operation::Reserve, [Fault::RequestLost]);
        for _ in 0..10 {
            let lines = lines(&[(2, 1)]);
            let command = CreateOrderCommand { lines, ..command(1, None) };
            create(&world, &command).await.unwrap();
        }
        sleep(Duration::from_millis(500)).await;
        (world.tables.calls(Operation::Reserve), at_most.load(Ordering::SeqCst))
    };
    let (report, (writes, at_most)) = tokio::join!(consumer.run(Deadline::after(SHORT)), looking);
    assert_eq!(
        (writes, at_most),
        (3, 1),
        "the write of the five is under way, and one other event"
    );
    assert_eq!(report.handled, 32, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn beside_those_that_are_handled_three_times_as_many_wait_for_the_write_of_another() {
    let world = world_with(40).await;
    // The first write has no answer for a second.
    world.tables.script(Operation::Reserve, [Fault::RequestLost]);
    let mut consumer = world.consume_pending(Registry::default());
    consumer.pace.events_at_once = 4;
    let looking = async {
        sleep(Duration::from_millis(500)).await;
        world.broker.deliveries().into_iter().filter(|deliveries| *deliveries > 0).count()
    };
    let (report, delivered) = tokio::join!(consumer.run(Deadline::after(SHORT)), looking);
    assert_eq!(report.handled, 80, "{report:?}");
    assert!((15..=18).contains(&delivered), "{delivered} of 40 orders");
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_the_last_six_seconds_of_a_window_is_left_to_the_next_one() {
    let world = world_with(0).await;
    let late = async {
        sleep(Duration::from_millis(9_500)).await;
        created(&world, 1).await;
    };
    tokio::join!(consume(&world, Duration::from_secs(15)), late);
    assert_eq!(world.broker.deliveries(), [0]);
    assert_eq!(consume(&world, SHORT).await.handled, 2);
}

#[tokio::test(start_paused = true)]
async fn a_window_reports_what_it_did_about_every_ten_seconds_and_at_its_end() {
    let world = world_with(0).await;
    let consumer = world.consume_pending(Registry::default());
    let started = Instant::now();
    let mut reports = Vec::new();
    let ordering = async {
        for second in [1, 12] {
            tokio::time::sleep_until(started + Duration::from_secs(second)).await;
            created(&world, 1).await;
        }
    };
    let running = consumer.run_counting(Deadline::after(SHORT), |report| {
        reports.push((started.elapsed().as_secs(), report));
    });
    let (total, ()) = tokio::join!(running, ordering);
    let two = ConsumptionReport { handled: 2, ..ConsumptionReport::default() };
    let [(first, of_first), (second, of_second), (_, last)] = reports[..] else {
        panic!("{reports:?}")
    };
    assert!((10..12).contains(&first), "{first} s");
    assert!((20..22).contains(&second), "{second} s");
    assert_eq!([of_first, of_second, last], [two, two, ConsumptionReport::default()]);
    assert_eq!(total, ConsumptionReport { handled: 4, ..ConsumptionReport::default() });
}
