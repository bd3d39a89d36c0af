//! Given an order, when a change is requested, then it changes and raises an event, or refuses.

use proptest::prelude::*;

use uuid::Uuid;

use super::*;
use crate::identity::{OrderId, ProductId, UserId};
use crate::money::Money;
use crate::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_700_000_001_000);

fn product(id: u64) -> ProductId {
    ProductId::new(id).unwrap()
}

fn line(id: u64, quantity: u64) -> OrderLine {
    OrderLine { product_id: product(id), quantity }
}

fn price_list(id: ProductId) -> Option<Money> {
    (id.get() <= 10).then(|| Money::from_minor(id.get() * 100).unwrap())
}

fn raised(number: u128) -> EventStamp {
    EventStamp::untraced(EventId::new(Uuid::from_u128(number)), 1)
}

fn create(lines: &[OrderLine]) -> Result<(Order, OrderEvent), OrderNotCreated> {
    let id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let lines = OrderLines::merge(lines).unwrap();
    Order::create(id, UserId::new(123).unwrap(), &lines, price_list, NOW, raised(1))
}

fn created() -> Order {
    create(&[line(1, 2)]).unwrap().0
}

mod creating {
    use super::*;

    #[test]
    fn lines_of_one_product_are_merged_and_sorted() {
        let merged = OrderLines::merge(&[line(2, 1), line(1, 2), line(2, 3)]).unwrap();
        let lines: Vec<_> = merged.iter().map(|(id, q)| (id.get(), q.get())).collect();
        assert_eq!(lines, [(1, 2), (2, 4)]);
    }

    #[test]
    fn an_order_without_lines_is_refused() {
        assert_eq!(OrderLines::merge(&[]), Err(InvalidLines::Empty));
    }

    #[test]
    fn the_51st_line_is_refused_and_the_50th_is_not() {
        let lines: Vec<_> = (0..51).map(|id| line(id, 1)).collect();
        assert_eq!(OrderLines::merge(&lines), Err(InvalidLines::TooMany { count: 51 }));
        assert!(OrderLines::merge(&lines[..50]).is_ok());
    }

    #[test]
    fn every_line_with_a_quantity_out_of_range_is_named() {
        let lines = [line(1, 0), line(2, 999), line(3, 1_000), line(4, 500), line(4, 500)];
        assert_eq!(
            OrderLines::merge(&lines),
            Err(InvalidLines::Quantities { lines: vec![0, 2, 3, 4] })
        );
    }

    #[test]
    fn a_zero_beside_a_line_of_the_same_product_is_refused_too() {
        assert_eq!(
            OrderLines::merge(&[line(1, 5), line(1, 0)]),
            Err(InvalidLines::Quantities { lines: vec![1] })
        );
    }

    #[test]
    fn quantities_that_overflow_when_merged_are_refused() {
        assert!(OrderLines::merge(&[line(1, u64::MAX), line(1, u64::MAX)]).is_err());
    }

    #[test]
    fn it_keeps_the_prices_of_the_day_and_raises_order_created() {
        let (order, event) = create(&[line(2, 3), line(1, 2)]).unwrap();
        assert_eq!(order.status(), OrderStatus::Created);
        assert_eq!(order.total(), Money::from_minor(800).unwrap());
        assert_eq!(order.created_at(), NOW);
        assert_eq!(event.aggregate_version, 1);
        let OrderFact::Created { lines, total, .. } = event.fact else { panic!("{event:?}") };
        assert_eq!((lines.as_slice(), total), (order.lines(), order.total()));
    }

    #[test]
    fn every_unknown_product_is_named() {
        assert_eq!(
            create(&[line(77, 1), line(1, 1), line(42, 1)]),
            Err(OrderNotCreated::UnknownProducts(vec![product(42), product(77)]))
        );
    }

    #[test]
    fn a_total_that_json_could_not_carry_is_refused() {
        let lines = OrderLines::merge(&[line(1, 999)]).unwrap();
        let id: OrderId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let highest_price = |_| Some(Money::MAX);
        let user_id = UserId::new(1).unwrap();
        let created = Order::create(id, user_id, &lines, highest_price, NOW, raised(1));
        assert_eq!(created.map(|_| ()), Err(OrderNotCreated::TotalTooLarge));
    }
}

mod changing {
    use super::*;

    #[test]
    fn a_created_order_is_confirmed() {
        let (order, event) = created().undecided().unwrap().confirm(LATER, raised(2));
        assert_eq!(order.status(), OrderStatus::Confirmed);
        assert_eq!(order.history().version(), 2);
        assert_eq!((event.aggregate_version, event.fact), (2, OrderFact::Confirmed));
    }

    #[test]
    fn a_created_order_is_rejected_and_that_is_final() {
        let (order, event) = created().undecided().unwrap().reject(LATER, raised(2));
        assert_eq!(event.fact, OrderFact::Rejected);
        let refused = order.cancel(LATER, raised(2)).unwrap_err();
        assert_eq!(refused.to_string(), "an order that is REJECTED can't become CANCELLED");
        assert!(order.undecided().is_none());
    }

    #[test]
    fn a_confirmed_order_is_cancelled_but_not_rejected() {
        let (order, _) = created().undecided().unwrap().confirm(LATER, raised(2));
        assert!(order.undecided().is_none());
        let (order, event) = order.cancel(LATER, raised(3)).unwrap();
        assert_eq!((order.version(), event.fact), (3, OrderFact::Cancelled));
        assert!(order.undecided().is_none());
        assert!(order.cancel(LATER, raised(2)).is_err());
    }
}

#[test]
fn a_status_is_found_by_its_name() {
    for status in OrderStatus::ALL {
        assert_eq!(OrderStatus::from_name(status.as_str()), Some(status));
    }
    assert_eq!(OrderStatus::from_name("created"), None);
}

mod counting {
    use super::*;

    #[test]
    fn an_order_has_as_many_units_as_its_lines_ask_for() {
        assert_eq!(create(&[line(1, 2), line(2, 3)]).unwrap().0.units(), 5);
    }

    #[test]
    fn units_are_open_from_the_confirmation_that_counted_them_until_the_order_is_cancelled() {
        let order = created();
        assert_eq!(order.open_count(), None);
        let (uncounted, _) = order.undecided().unwrap().confirm(LATER, raised(2));
        assert_eq!(uncounted.open_count(), None);
        let (counted, _) = order.undecided().unwrap().confirm_counted(LATER, raised(2));
        let count = OpenCount { user_id: order.user_id(), period: OpenPeriod::of(LATER) };
        assert_eq!(counted.open_count(), Some(count));
        assert_eq!(counted.cancel(LATER, raised(3)).unwrap().0.open_count(), None);
    }
}

mod rebuilding {
    use super::*;

    #[test]
    fn every_event_is_rebuilt_as_it_was_raised() {
        let (order, created) = create(&[line(1, 2)]).unwrap();
        let (order, confirmed) = order.undecided().unwrap().confirm(LATER, raised(2));
        let (order, cancelled) = order.cancel(LATER, raised(3)).unwrap();
        for event in [created, confirmed, cancelled] {
            assert_eq!(order.event(event.stamp.event_id), Some(event));
        }
        assert_eq!(order.event(raised(4).event_id), None);
    }

    #[test]
    fn a_confirmed_order_still_shows_how_it_was_created() {
        let order = created();
        let (confirmed, _) = order.undecided().unwrap().confirm(LATER, raised(2));
        assert_eq!(confirmed.as_created(), order);
    }

    #[test]
    fn an_order_matches_its_own_lines_and_no_others() {
        let order = created();
        let merged = |lines: &[OrderLine]| OrderLines::merge(lines).unwrap();
        assert!(order.has_lines(&merged(&[line(1, 1), line(1, 1)])));
        for others in [&[line(1, 3)][..], &[line(2, 2)], &[line(1, 2), line(2, 1)]] {
            assert!(!order.has_lines(&merged(others)));
        }
    }
}

mod rehydrating {
    use super::*;

    fn record(order: &Order) -> OrderRecord {
        OrderRecord {
            id: order.id(),
            user_id: order.user_id(),
            currency: order.currency(),
            lines: order.lines().to_vec(),
            total: order.total(),
            history: order.history().iter().cloned().collect(),
            notifications: order.notifications().to_vec(),
            version: order.version(),
        }
    }

    fn created_and_confirmed() -> Order {
        created().undecided().unwrap().confirm(LATER, raised(2)).0
    }

    #[test]
    fn what_was_stored_comes_back_equal() {
        let order = created_and_confirmed();
        assert_eq!(Order::rehydrate(record(&order)), Ok(order));
    }

    #[test]
    fn an_order_has_at_most_fifty_lines_in_the_order_of_their_products() {
        let with_lines = |count: u64| {
            let mut stored = record(&created());
            let first = stored.lines[0];
            stored.lines =
                (1..=count).map(|id| PricedLine { product_id: product(id), ..first }).collect();
            stored.total = total_of(&stored.lines).unwrap();
            stored
        };
        assert_eq!(Order::rehydrate(with_lines(50)).unwrap().lines().len(), 50);
        assert_eq!(Order::rehydrate(with_lines(51)), Err(CorruptOrder::Lines));
        let mut unsorted = with_lines(2);
        unsorted.lines.reverse();
        assert_eq!(Order::rehydrate(unsorted), Err(CorruptOrder::Lines));
    }

    #[test]
    fn only_a_confirmation_counts_units() {
        let (confirmed, _) = created().undecided().unwrap().confirm_counted(LATER, raised(2));
        assert_eq!(Order::rehydrate(record(&confirmed)), Ok(confirmed.clone()));
        let mut stored = record(&confirmed);
        stored.history[0].open_period = stored.history[1].open_period;
        assert_eq!(Order::rehydrate(stored), Err(CorruptOrder::History));
    }

    #[test]
    fn an_order_as_it_was_created_has_no_notifications() {
        let mut stored = record(&created());
        stored.notifications = vec![Notification {
            event_type: "OrderCreated".to_owned(),
            aggregate_version: 1,
            at: LATER,
        }];
        assert_eq!(Order::rehydrate(stored).unwrap().as_created(), created());
    }

    #[test]
    fn notifications_come_back_in_the_order_of_their_events() {
        let notification = |event_type: &str, aggregate_version: u32, at| Notification {
            event_type: event_type.to_owned(),
            aggregate_version,
            at,
        };
        let created = notification("OrderCreated", 1, LATER);
        let confirmed = notification("OrderConfirmed", 2, NOW);
        let mut stored = record(&created_and_confirmed());
        stored.notifications = vec![confirmed.clone(), created.clone()];
        assert_eq!(Order::rehydrate(stored).unwrap().notifications(), [created, confirmed]);
    }

    #[test]
    fn a_record_that_no_order_could_have_is_refused() {
        let good = record(&created());
        let with = |change: fn(&mut OrderRecord)| {
            let mut bad = good.clone();
            change(&mut bad);
            Order::rehydrate(bad).unwrap_err()
        };
        assert_eq!(with(|r| r.lines.clear()), CorruptOrder::Lines);
        assert_eq!(with(|r| r.lines.push(r.lines[0])), CorruptOrder::Lines);
        assert_eq!(with(|r| r.total = Money::ZERO), CorruptOrder::Total);
        assert_eq!(with(|r| r.history.clear()), CorruptOrder::History);
        assert_eq!(with(|r| r.history.push(r.history[0].clone())), CorruptOrder::History);
        assert_eq!(
            with(|r| {
                let status = OrderStatus::Confirmed;
                r.history.push(StatusChange { status, ..r.history[0].clone() });
                r.version = 2;
            }),
            CorruptOrder::History,
            "one event can't belong to two changes"
        );
        assert_eq!(with(|r| r.version = 2), CorruptOrder::Version);
    }
}

proptest! {
    #[test]
    fn merging_is_the_same_in_any_order_of_lines(
        mut lines in
            prop::collection::vec((0u64..20, 1u64..20).prop_map(|(id, q)| line(id, q)), 1..50),
        seed in any::<u64>(),
    ) {
        let merged = OrderLines::merge(&lines);
        let shift = usize::try_from(seed % lines.len() as u64).unwrap();
        lines.rotate_left(shift);
        lines.reverse();
        prop_assert_eq!(merged, OrderLines::merge(&lines));
    }

    #[test]
    fn a_created_order_survives_its_own_rules(
        lines in
            prop::collection::vec((0u64..=10, 1u64..19).prop_map(|(id, q)| line(id, q)), 1..50),
    ) {
        let (order, _) = create(&lines).unwrap();
        prop_assert!(order.lines().len() <= LINES_MAX);
        prop_assert_eq!(total_of(order.lines()), Some(order.total()));
    }
}
