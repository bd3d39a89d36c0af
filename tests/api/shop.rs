//! Random plans of actions in a shop, through HTTP: the functions work in the background.
//!
//! `shared/application` plays many such plans in memory, and `tests/contract` on two emulators.

use std::time::Duration;

use application::events::StoredAggregate;
use application::ports::Clock;
use application::ports::pending::PendingEventStore;
use domain::aggregate::AggregateKey;
use domain::identity::{OrderId, ProductId, UserId};
use domain::money::Money;
use domain::order::{OpenCount, OrderStatus, StoredOrder};
use domain::product::Product;
use domain::timestamp::Timestamp;
use dynamodb::administration::{AddedStock, add_stock, put_product_keeping_stock, put_products};
use dynamodb::config::{CatalogTable, OrdersTable, TableName, UsersTable};
use dynamodb::{Client, DynamoAggregates, keys};
use futures::future::join_all;
use platform::clock::SystemClock;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::shop::{
    Action, Cancellation, Creation, FIRST_STOCK, Lines, PRODUCTS, Shop, USERS, plans, play,
    random_seed,
};

use crate::app::{App, eventually, json_of, text, with_app};
use crate::users::login::{now, token_of};

/// The plans are always the same; the timing of requests and functions is not.
const SEED: u64 = 3;
const PLANS: usize = 4;
const ACTIONS: usize = 14;

/// How many plans are played with a seed that is another one in each run.
const RANDOM_PLANS: usize = 32;

/// After an answer with 503, a request's write is stored by then or not at all.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// No other test uses products and users from here on.
const FIRST_PRODUCT: u64 = 5_000;
const FIRST_USER: u64 = 500_000;

/// Orders of a page: fewer than a user creates.
const PAGE: u8 = 2;

/// Of each product at first, in minor units.
const PRICE: u64 = 250;

struct RunningShop<'app> {
    app: &'app App,
    client: Client,
    catalog: CatalogTable,
    aggregates: DynamoAggregates,
    products: Vec<ProductId>,
    users: Vec<UserId>,
    tokens: Vec<String>,
}

fn product(id: ProductId, price: u64, stock: u32) -> Product {
    let unit_price = Money::from_minor(price).unwrap();
    Product { id, name: format!("Product {id}"), unit_price, stock }
}

impl<'app> RunningShop<'app> {
    /// With its own products and users.
    async fn open(app: &'app App, number: usize) -> Self {
        let named = |id: &str| TableName::parse(app.system.names.table(id).unwrap()).unwrap();
        let client = dynamodb::connect_to(&app.system.endpoints.table_url);
        let catalog = CatalogTable::named(named("CatalogTable"));
        let (orders, users) =
            (OrdersTable::named(named("OrdersTable")), UsersTable::named(named("UsersTable")));
        let ids = |first: u64, count: usize| {
            let first = first + (number * count) as u64;
            first..first + count as u64
        };
        let products: Vec<_> =
            ids(FIRST_PRODUCT, PRODUCTS).map(|id| ProductId::new(id).unwrap()).collect();
        let sold: Vec<_> = products.iter().map(|id| product(*id, PRICE, FIRST_STOCK)).collect();
        put_products(&client, &catalog, &sold).await.unwrap();
        let (mut user_ids, mut tokens) = (Vec::new(), Vec::new());
        for id in ids(FIRST_USER, USERS) {
            user_ids.push(UserId::new(id).unwrap());
            tokens.push(token_of(app, id, now()).await);
        }
        Self {
            app,
            aggregates: DynamoAggregates::new(client.clone(), orders, users),
            client,
            catalog,
            products,
            users: user_ids,
            tokens,
        }
    }

    fn token(&self, user_id: UserId) -> &str {
        let place = self.users.iter().position(|user| *user == user_id).unwrap();
        &self.tokens[place]
    }

    async fn stored(&self, user_id: UserId, order_id: OrderId) -> StoredOrder {
        let found = self.aggregates.find(AggregateKey::Order { user_id, order_id }).await.unwrap();
        let Some(StoredAggregate::Order(stored)) = found else { panic!("{found:?}") };
        stored
    }

    /// The order of a request without a key that was answered with 503, if it was created. The
    /// answer names the order if that is not known yet.
    async fn left_open(&self, user_id: UserId, answer: &Value) -> Option<Creation> {
        let order_id: OrderId = answer["order_id"].as_str()?.parse().unwrap();
        tokio::time::sleep(UNDER_WAY).await;
        let found = self.aggregates.find(AggregateKey::Order { user_id, order_id }).await.unwrap();
        let StoredAggregate::Order(stored) = found? else { panic!("{order_id} is no order") };
        Some(created(&serde_json::to_value(web::order_body(&stored.order)).unwrap()))
    }

    async fn is_settled(&self, orders: &[(UserId, OrderId)]) -> bool {
        for (user_id, order_id) in orders {
            let stored = self.stored(*user_id, *order_id).await;
            if !stored.pending.is_empty() || stored.order.status() == OrderStatus::Created {
                return false;
            }
        }
        true
    }

    /// All pages, the newest order first.
    async fn listed(&self, user_id: UserId) -> Vec<Value> {
        let (mut orders, mut path) = (Vec::new(), format!("/v1/orders?limit={PAGE}"));
        loop {
            let request = self.app.anonymous(Method::GET, &path).bearer_auth(self.token(user_id));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            let page = json_of(response).await;
            let on_page = page["orders"].as_array().unwrap();
            assert!(on_page.len() <= usize::from(PAGE));
            orders.extend(on_page.clone());
            let Some(cursor) = page["next_cursor"].as_str() else { return orders };
            path = format!("/v1/orders?limit={PAGE}&cursor={cursor}");
        }
    }
}

impl Shop for RunningShop<'_> {
    const IS_RUNNING: bool = true;

    fn products(&self) -> &[ProductId] {
        &self.products
    }

    fn first_price(&self) -> u64 {
        PRICE
    }

    fn users(&self) -> &[UserId] {
        &self.users
    }

    async fn create(&self, user_id: UserId, lines: &Lines, key: Option<u8>) -> Creation {
        let key = key.map(|key| format!("plan-{key}"));
        let items = lines.iter().map(
            |(product_id, quantity)| json!({"product_id": product_id.get(), "quantity": quantity}),
        );
        let body = json!({"items": items.collect::<Vec<_>>()});
        eventually("a request to create an order is answered", async || {
            let request = self.app.anonymous(Method::POST, "/v1/orders").json(&body);
            let request = request.bearer_auth(self.token(user_id));
            let request = match &key {
                Some(key) => request.header("idempotency-key", key),
                None => request,
            };
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let answer = json_of(response).await;
            match status {
                201 => Some(created(&answer)),
                422 => {
                    assert_eq!(
                        answer["type"], "urn:order-service:problem:idempotency-key-reused",
                        "{answer}"
                    );
                    Some(Creation::KeyReused)
                }
                503 if key.is_none() => self.left_open(user_id, &answer).await,
                503 => None,
                status => panic!("{status}: {answer}"),
            }
        })
        .await
    }

    async fn cancel(&self, user_id: UserId, order_id: OrderId) -> Cancellation {
        let path = format!("/v1/orders/{order_id}/cancel");
        eventually("a request to cancel an order is answered", async || {
            let request = self.app.anonymous(Method::POST, &path).bearer_auth(self.token(user_id));
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let answer = json_of(response).await;
            match status {
                200 => {
                    assert_eq!(answer["status"], "CANCELLED");
                    Some(Cancellation::Cancelled)
                }
                404 => Some(Cancellation::NotFound),
                409 => Some(Cancellation::Refused),
                503 => None,
                status => panic!("{status}: {answer}"),
            }
        })
        .await
    }

    async fn add_stock(&self, product: ProductId, units: u32) {
        let added = add_stock(&self.client, &self.catalog, product, units).await.unwrap();
        assert!(matches!(added, AddedStock::Added(_)), "{added:?}");
    }

    async fn set_price(&self, id: ProductId, price: u64) {
        let imported = product(id, price, 0);
        put_product_keeping_stock(&self.client, &self.catalog, &imported).await.unwrap();
    }

    /// event-consumer runs in the background.
    async fn consume(&self) {}

    /// transaction-check runs in the background.
    async fn sweep(&self) {}

    /// A period takes 30 days.
    async fn end_period(&self) {}

    async fn settle(&self, orders: &[(UserId, OrderId)]) {
        eventually("every event is handled", async || self.is_settled(orders).await.then_some(()))
            .await;
    }

    async fn orders_of(&self, user_id: UserId) -> Vec<StoredOrder> {
        let mut orders = Vec::new();
        for listed in self.listed(user_id).await {
            let order_id: OrderId = text(&listed["order_id"]).parse().unwrap();
            let stored = self.stored(user_id, order_id).await;
            let body = serde_json::to_value(web::order_body(&stored.order)).unwrap();
            for member in ["order_id", "user_id", "total", "items", "created_at", "currency"] {
                assert_eq!(listed[member], body[member], "{member}");
            }
            orders.push(stored);
        }
        orders
    }

    async fn stock_of(&self, product: ProductId) -> u32 {
        self.app.stock(product.get()).await.try_into().unwrap()
    }

    async fn open_units(&self, count: OpenCount) -> u32 {
        let (pk, sk) = (keys::user(count.user_id), keys::open_units_in(count.period));
        let item = self.app.item("OrdersTable", &[("pk", &pk), ("sk", &sk)]).await;
        item.map_or(0, |item| item["units"].as_n().unwrap().parse().unwrap())
    }

    fn open_units_max(&self) -> u32 {
        u32::MAX
    }

    fn is_cheap_to_read(&self) -> bool {
        false
    }

    /// A call may take too long on a busy machine.
    fn makes_copies(&self) -> bool {
        true
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn published(&self) -> Vec<Vec<u8>> {
        self.app.topic().await.into_iter().map(|message| message.body).collect()
    }
}

fn created(order: &Value) -> Creation {
    let number = |value: &Value| value.as_u64().unwrap();
    let lines = order["items"].as_array().unwrap().iter();
    Creation::Created {
        order_id: text(&order["order_id"]).parse().unwrap(),
        total: number(&order["total"]),
        lines: lines
            .map(|line| {
                let product_id = ProductId::new(number(&line["product_id"])).unwrap();
                (product_id, number(&line["quantity"]), number(&line["unit_price"]))
            })
            .collect(),
    }
}

/// All shops at once. Each has its own products and users, and all share topics and functions. The
/// first one has this number.
async fn play_all(app: &App, first: usize, plans: &[Vec<Action>]) {
    join_all((first..).zip(plans).map(async |(number, plan)| {
        let shop = RunningShop::open(app, number).await;
        play(&shop, plan).await;
    }))
    .await;
}

#[test]
fn whatever_happens_in_the_shop_its_books_are_right() {
    with_app(async |app| play_all(app, 0, &plans(SEED, PLANS, ACTIONS)).await);
}

#[test]
#[ignore = "minutes: run by `cargo xtask verify --full`"]
fn whatever_happens_in_many_random_plans_the_books_are_right() {
    with_app(async |app| {
        let plans = plans(random_seed(), RANDOM_PLANS, ACTIONS);
        for (round, plans) in (1..).zip(plans.chunks(PLANS)) {
            play_all(app, round * PLANS, plans).await;
        }
    });
}
