//! Concurrent calls on one item.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Get, TransactGetItem};
use harness::faults::Point;
use harness::table_proxy::calls;
use harness::weather::WeatherSettings;

use super::rig::{LIMIT, Rig, text};

fn codes(error: TransactWriteItemsError) -> Vec<String> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("the transaction was not cancelled: {error:?}");
    };
    let reasons = cancelled.cancellation_reasons();
    reasons.iter().map(|reason| reason.code().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_transaction_is_cancelled_for_exactly_the_items_that_another_holds() {
    let rig = Rig::start(WeatherSettings::CALM).await;
    let mut hold = rig.behind.on(Point::Request, calls("TransactWriteItems")).once().hold();
    let under_way = rig.transaction(&["a", "b"]).send();
    let meeting = async {
        let held = hold.seen(LIMIT).await.unwrap();
        let cancelled = rig.transaction(&["c", "b", "d"]).send().await.unwrap_err();
        assert_eq!(codes(cancelled.into_service_error()), ["None", "TransactionConflict", "None"]);
        rig.transaction(&["c", "d"]).send().await.unwrap();
        held.release();
    };
    let (ended, ()) = tokio::join!(under_way, meeting);
    ended.unwrap();
    rig.transaction(&["b"]).send().await.unwrap();
    assert_eq!(rig.weather.items_under_way(), 0);
    assert_eq!(rig.weather.consumption().conflicts, 1);
}

#[tokio::test]
async fn a_single_write_on_a_held_item_is_refused_and_a_read_is_not() {
    let rig = Rig::start(WeatherSettings::CALM).await;
    let mut hold = rig.behind.on(Point::Request, calls("TransactWriteItems")).once().hold();
    let under_way = rig.transaction(&["a"]).send();
    let key = [("pk".to_owned(), text("USER#1")), ("sk".to_owned(), text("a"))];
    let key = std::collections::HashMap::from(key);
    let meeting = async {
        let held = hold.seen(LIMIT).await.unwrap();
        let put = rig.client.put_item().table_name("orders").set_item(Some(key.clone()));
        let put = put.send().await.unwrap_err().into_service_error();
        assert!(put.is_transaction_conflict_exception(), "{put:?}");
        let update = rig.client.update_item().table_name("orders").set_key(Some(key.clone()));
        let update = update.send().await.unwrap_err().into_service_error();
        assert!(update.is_transaction_conflict_exception(), "{update:?}");
        let delete = rig.client.delete_item().table_name("orders").set_key(Some(key.clone()));
        let delete = delete.send().await.unwrap_err().into_service_error();
        assert!(delete.is_transaction_conflict_exception(), "{delete:?}");

        let get = rig.client.get_item().table_name("orders").set_key(Some(key.clone()));
        let found = get.consistent_read(true).send().await.unwrap();
        assert_eq!(found.item, None);
        let get = Get::builder().table_name("orders").set_key(Some(key.clone())).build().unwrap();
        let get = TransactGetItem::builder().get(get).build();
        let get = rig.client.transact_get_items().transact_items(get).send().await.unwrap_err();
        assert_eq!(get.code(), Some("TransactionCanceledException"));
        held.release();
    };
    let (ended, ()) = tokio::join!(under_way, meeting);
    ended.unwrap();
    let put = rig.client.put_item().table_name("orders").set_item(Some(key.clone()));
    put.send().await.unwrap();
}

#[tokio::test]
async fn a_transaction_conflicts_with_a_running_single_write() {
    let rig = Rig::start(WeatherSettings::CALM).await;
    let mut hold = rig.behind.on(Point::Request, calls("PutItem")).once().hold();
    let put = rig.client.put_item().table_name("orders");
    let put = put.item("pk", text("USER#1")).item("sk", text("a"));
    let meeting = async {
        let held = hold.seen(LIMIT).await.unwrap();
        let cancelled = rig.transaction(&["a", "b"]).send().await.unwrap_err();
        assert_eq!(codes(cancelled.into_service_error()), ["TransactionConflict", "None"]);
        // Single writes wait for each other.
        put.clone().send().await.unwrap();
        held.release();
    };
    let (ended, ()) = tokio::join!(put.clone().send(), meeting);
    ended.unwrap();
    rig.transaction(&["a", "b"]).send().await.unwrap();
}

#[tokio::test]
async fn a_transaction_goes_on_without_its_caller_and_its_token_is_in_progress() {
    let rig = Rig::start(WeatherSettings::CALM).await;
    let mut hold = rig.behind.on(Point::Request, calls("TransactWriteItems")).once().hold();
    let transaction = || rig.transaction(&["a"]).client_request_token("token");
    let held = {
        let under_way = transaction().send();
        tokio::pin!(under_way);
        tokio::select! {
            _ = &mut under_way => panic!("the call was not held"),
            held = hold.seen(LIMIT) => held.unwrap(),
        }
    };
    let again = transaction().send().await.unwrap_err().into_service_error();
    assert!(again.is_transaction_in_progress_exception(), "{again:?}");
    held.release();
    let ended = async {
        while rig.weather.items_under_way() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.unwrap();
    transaction().send().await.unwrap();
    // The first transaction writes, and later ones with the same token read.
    let consumed = rig.weather.consumption().of_operation("TransactWriteItems");
    assert_eq!((consumed.write, consumed.read), (2.0, 2.0));
}

#[tokio::test]
async fn calls_take_their_time_under_real_weather() {
    let rig = Rig::start(WeatherSettings::AWS).await;
    let put = rig.client.put_item().table_name("orders");
    put.item("pk", text("USER#1")).item("sk", text("a")).send().await.unwrap();
    rig.transaction(&["a", "b"]).send().await.unwrap();
    assert_eq!(rig.weather.consumption().calls("TransactWriteItems"), 1);
}
