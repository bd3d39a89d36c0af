//! The console in a browser: each button is pressed, and the page shows what follows.
//!
//! It needs the functions' binaries, as `cargo build --workspace` makes them, and Debian's
//! `chromium` and `chromium-driver`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; helpers outside of test functions are tests too"
)]

mod keyboard;
mod looks;
mod mails;
mod start;
mod story;

use std::sync::Arc;
use std::time::Duration;

use harness::checkout;
use harness::provision::{DEMO_EMAIL, DEMO_PASSWORD};
use harness::system::{System, SystemOptions};
use local_lambda::{Children, WriterSink};
use pages::Pages;
use pages::browser::{Browser, View};
use reqwest::header::HOST;
use reqwest::{Client, StatusCode};
use serde_json::json;

/// How long something may take on a slow machine. A check-back comes after 6 to 11 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a killed function of windows may take until its next one has done its work: a minute,
/// and the time for which the broker hides a message that was delivered.
const NEXT_WINDOW: Duration = Duration::from_secs(120);

/// How long a thousand orders may take, while other tests create theirs.
const THOUSAND: Duration = Duration::from_secs(180);

/// How often an order is tried while half of the table's calls are throttled.
const TRIES_MAX: usize = 8;

/// How many calls were throttled, in the page.
const THROTTLED: &str = "Number(document.querySelector('#counters [data-id=throttled] dd')\
                         .innerText.replaceAll(',', ''))";

const VIEW: View = View { width: 1280, height: 900, is_dark: false, has_forced_colours: false };

fn options() -> SystemOptions {
    let root = checkout::root().unwrap();
    let sink = Some(Arc::new(WriterSink::new(std::io::sink())) as _);
    SystemOptions { sink, ..SystemOptions::isolated(&root).unwrap() }
}

async fn browser_at(url: &str) -> (Browser, Children) {
    let children = Children::new().unwrap();
    let browser = Browser::start(&children).await.unwrap();
    browser.show_with(VIEW).await.unwrap();
    browser.open(url).await.unwrap();
    (browser, children)
}

async fn until(browser: &Browser, condition: &str) {
    browser.until(condition, PATIENCE).await.unwrap();
}

/// Waits until an element's text contains `words`.
async fn reads(browser: &Browser, selector: &str, words: &str) {
    let text = format!("document.querySelector({selector:?})?.innerText");
    until(browser, &format!("({text} ?? '').includes({words:?})")).await;
}

/// A system with its console open in a browser.
struct Console {
    system: System,
    pages: Pages,
    browser: Browser,
    _children: Children,
}

impl Console {
    async fn open() -> Self {
        let mut options = options();
        let pages = Pages::of(&mut options);
        let mut system = System::start(options).await.unwrap();
        pages.attach(&mut system).unwrap();
        let (browser, children) = browser_at(&format!("{}/console", system.api_url)).await;
        Self { system, pages, browser, _children: children }
    }

    async fn until(&self, condition: &str) {
        until(&self.browser, condition).await;
    }

    async fn click(&self, selector: &str) {
        self.browser.click(selector).await.unwrap();
    }

    async fn reads(&self, selector: &str, words: &str) {
        reads(&self.browser, selector, words).await;
    }

    /// Waits until the order shown has a step of this kind.
    async fn step(&self, kind: &str) {
        self.until(&format!("document.querySelector('.step[data-kind={kind}]')")).await;
    }

    async fn shown(&self) -> String {
        let id = self.browser.run("return document.getElementById('story-id').innerText").await;
        id.unwrap().as_str().unwrap().to_owned()
    }

    /// Presses a button that creates an order, and returns the order, which the page then shows.
    async fn order_of(&self, press: &str) -> String {
        let before = self.shown().await;
        self.browser.press(press).await.unwrap();
        self.another_than(&before).await
    }

    /// The same with the mouse.
    async fn order_of_click(&self, selector: &str) -> String {
        let before = self.shown().await;
        self.click(selector).await;
        self.another_than(&before).await
    }

    async fn another_than(&self, before: &str) -> String {
        self.until(&format!("document.getElementById('story-id').innerText !== {before:?}")).await;
        self.shown().await
    }

    /// Chooses the function to kill or to freeze.
    async fn choose_function(&self, name: &str) {
        self.click(&format!("#function option[value={name}]")).await;
    }

    /// Shows an order again.
    async fn choose(&self, order_id: &str) {
        let url = format!("{}/console#order={order_id}", self.system.api_url);
        self.browser.open("about:blank").await.unwrap();
        self.browser.open(&url).await.unwrap();
        self.reads("#story-id", order_id).await;
    }

    /// A press that is refused is answered with 409, of which the browser makes an error.
    async fn has_no_errors(&self) {
        let mut errors = self.browser.errors().await.unwrap();
        errors.retain(|line| !(line.contains("/console/press") && line.contains("409 (Conflict)")));
        assert!(errors.is_empty(), "{errors:?}");
    }

    async fn stop(self) {
        let Self { mut system, pages, browser, .. } = self;
        browser.stop().await;
        pages.detach(&mut system).await;
        system.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_button_does_what_it_says_and_the_page_shows_what_follows() {
    let console = Console::open().await;
    foreign_pages_and_names_are_refused(&console.system.api_url).await;
    each_page_has_its_policy(&console.system.api_url).await;
    console.reads("#live", "live").await;
    console.reads("#no-orders", "Create one").await;

    orders_are_created_and_cancelled(&console).await;
    // Its deliveries fail while the next test waits for check-backs.
    let given_up = console.order_of("g").await;
    what_a_press_says_stays_while_a_job_runs(&console).await;
    kills_are_repaired(&console).await;
    an_event_is_given_up_and_redriven(&console, &given_up).await;
    functions_are_frozen_and_thawed(&console).await;
    any_function_is_killed(&console).await;
    the_table_is_throttled(&console).await;
    the_broker_stops_and_starts(&console).await;
    what_happened_is_counted(&console).await;
    the_redriven_event_is_handled(&console, &given_up).await;
    of_two_presses_at_once_one_gives_up_an_event(&console.system.api_url).await;
    a_thousand_orders_are_begun(&console).await;
    it_fits_a_narrow_window(&console).await;
    console.browser.open(&format!("{}/docs", console.system.api_url)).await.unwrap();
    the_api_can_be_tried(&console.browser).await;
    // Before the reset, after which the console cannot log the demo user in again.
    console.browser.open(&format!("{}/console", console.system.api_url)).await.unwrap();
    a_thousand_orders_are_created(&console).await;
    mails::a_password_is_reset(&console).await;
    mails::an_address_is_confirmed(&console).await;

    console.has_no_errors().await;
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_used_by_keyboard_and_read_in_dark_in_light_and_without_colour() {
    let console = Console::open().await;
    let first = start::it_leads_to_the_pages_and_to_the_first_order(&console).await;
    console.click("#cancel").await;
    console.step("cancel").await;
    story::it_has_the_steps_and_times_that_the_api_has(&console, &first).await;
    story::tries_and_steps_that_are_not_kept_are_said(&console).await;
    let tones = keyboard::everything_is_done_with_the_keyboard(&console).await;
    tones.are_said_in_words();
    looks::it_is_readable_with_forced_colours(&console, &first).await;
    looks::each_page_is_readable_in_dark_and_in_light(&console, &first).await;
    console.choose(&first).await;
    keyboard::press(&console, keyboard::THE_LAST_BUTTON).await;
    a_thousand_orders_are_created(&console).await;

    console.has_no_errors().await;
    console.stop().await;
}

async fn orders_are_created_and_cancelled(console: &Console) {
    console.click("[data-press=create][data-orders='1']").await;
    for kind in ["request", "half-message", "put", "commit", "answer", "delivery", "reserve"] {
        console.step(kind).await;
    }
    console.reads("#story-state", "confirmed").await;
    console.reads("#verdict[role=status][aria-live=polite]", "every event is handled").await;
    let order_id = console.shown().await;
    let process = "#functions [data-id=create-order]";
    for words in ["❄ frozen", "request", "cold start"] {
        console.reads(process, words).await;
    }
    console.until("!document.querySelector('.process[title]')").await;

    console.click("[data-press=create][data-orders='10']").await;
    let created = "Number(document.querySelector('#counters [data-id=created] dd').innerText)";
    console.until(&format!("{created} === 11")).await;
    each_cell_says_its_column(console).await;
    console.choose(&order_id).await;
    console.browser.press("c").await.unwrap();
    console.step("cancel").await;
    console.reads("#story-state", "cancelled").await;
    console.until("document.getElementById('cancel').disabled").await;
}

/// The head of the list is for the eye: a screen reader gets the columns from the cells.
async fn each_cell_says_its_column(console: &Console) {
    let script = "
        const names = (of, all) => [...of.querySelectorAll(all)].map((one) => one.textContent.trim());
        const head = names(document, '.order-head[aria-hidden=true] span').map((name) => `${name}:`);
        const rows = [...document.querySelectorAll('#orders > li')];
        return [head, ...rows.map((row) => names(row, '.order > span > .visually-hidden'))];
    ";
    let columns = console.browser.run(script).await.unwrap();
    let (head, rows) = columns.as_array().unwrap().split_first().unwrap();
    assert_eq!(head.as_array().unwrap().len(), 6, "{head}");
    assert!(rows.len() >= 11 && rows.iter().all(|row| row == head), "{columns}");
}

/// The button "Let an event fail" was pressed just now, and its job runs for some seconds.
async fn what_a_press_says_stays_while_a_job_runs(console: &Console) {
    console.reads("#said", "✓ The notification of this order fails at each delivery").await;
    console.reads("#jobs", "◔ giving up an event").await;
    console.choose_function("register-user").await;
    console.click("#kill").await;
    console.reads("#said", "✕ No process of register-user runs").await;
    // It is refused because the first one is still under way.
    console.browser.press("g").await.unwrap();
    console.reads("#said", "✕ An event is being given up at the moment").await;
    // Each of the handler's failures is a new snapshot.
    let before = format!("return {THROTTLED}");
    let before = console.browser.run(&before).await.unwrap();
    console.until(&format!("{THROTTLED} > {before}")).await;
    console.reads("#said[role=status]", "✕ An event is being given up at the moment").await;
    console.reads("#jobs:not([role], [aria-live])", "◔ giving up an event").await;
}

async fn kills_are_repaired(console: &Console) {
    // One after another, so that the broker's questions come at about the same time.
    let before_commit = console.order_of("3").await;
    let before_put = console.order_of("2").await;
    let before_half = console.order_of("1").await;
    console.step("killed").await;
    console.step("no-answer").await;
    console.reads("#verdict", "Nothing to repair").await;
    assert_ne!(before_half, before_put);

    console.choose(&before_commit).await;
    for kind in ["put", "killed", "check-back", "checked-commit", "delivery"] {
        console.step(kind).await;
    }
    console.reads("#verdict", "Repaired: the order was in the table").await;
    console.reads("#story-state", "confirmed").await;
    console.reads(".step[data-kind=killed] .mark", "✕ killed before the commit").await;
    let row = format!("#orders [data-id='{before_commit}']");
    console.reads(&row, "● confirmed ✕ killed").await;
    console.reads(&row, "✓ committed").await;
    let no_commit = "!document.querySelector('.step[data-kind=commit]')";
    console.until(no_commit).await;

    console.choose(&before_put).await;
    for kind in ["half-message", "killed", "check-back", "fence", "checked-rollback"] {
        console.step(kind).await;
    }
    console.reads("#verdict", "Repaired: there was no order").await;
    console.reads("#story-state", "no order").await;
}

async fn an_event_is_given_up_and_redriven(console: &Console, order_id: &str) {
    console.choose(order_id).await;
    console.step("give-up").await;
    console.reads("#letters", "given up by notification").await;
    console.click("#redrive").await;
    console.reads("#letters", "None").await;
    console.step("redrive").await;
}

/// The sweep publishes it within about a minute, in which other buttons are tested.
async fn the_redriven_event_is_handled(console: &Console, order_id: &str) {
    console.choose(order_id).await;
    let delivered = "(() => {
        const kinds = [...document.querySelectorAll('.step')].map((row) => row.dataset.kind);
        return kinds.lastIndexOf('redrive') < kinds.lastIndexOf('delivery');
    })()";
    console.browser.until(delivered, NEXT_WINDOW).await.unwrap();
    console.reads("#verdict", "every event is handled").await;
}

async fn functions_are_frozen_and_thawed(console: &Console) {
    console.choose_function("event-consumer").await;
    console.click("#freeze").await;
    console.reads("#freeze", "Thaw").await;
    console.reads("#functions [data-id=event-consumer]", "■ stopped by you").await;
    console.browser.press("5").await.unwrap();
    console.reads("#freeze", "Freeze").await;
    console.reads("#functions [data-id=event-consumer]", "▶ busy").await;

    // It is at work only while it has a request, which it gets from the button.
    console.choose_function("create-order").await;
    let order_id = console.order_of_click("#freeze").await;
    console.reads("#functions [data-id=create-order]", "■ stopped by you").await;
    console.step("put").await;
    let has_answer = "Boolean(document.querySelector('.step[data-kind=answer]'))";
    console.until(&format!("!{has_answer}")).await;
    console.click("#freeze").await;
    console.step("commit").await;
    console.step("answer").await;
    assert_eq!(console.shown().await, order_id);
    // Nobody thaws this one: Lambda's time-out ends it, and the button has nothing to thaw.
    console.order_of_click("#freeze").await;
    console.reads("#freeze", "Thaw").await;
    console.reads("#functions [data-id=create-order]", "✕ gone").await;
    console.reads("#functions [data-id=create-order]", "Task timed out").await;
    console.reads("#freeze", "Freeze").await;
    console.reads("#activity", "timed out").await;
}

async fn any_function_is_killed(console: &Console) {
    let of = |name: &str| format!("#functions [data-id={name}]");
    console.choose_function("event-consumer").await;
    let unhandled = console.order_of_click("#kill").await;
    console.step("killed").await;
    console.reads("#said", "✓ event-consumer was killed before the reservation").await;
    console.reads(&of("event-consumer"), "✕ killed").await;
    console.reads("#story-state", "created").await;
    console.reads("#verdict", "event-consumer is dead and the event still pending").await;

    console.choose_function("cancel-order").await;
    let kept = console.order_of_click("#kill").await;
    for kind in ["cancel-request", "killed", "no-answer"] {
        console.step(kind).await;
    }
    console.reads("#verdict", "Nothing to repair: cancel-order was killed").await;
    console.reads(&of("cancel-order"), "✕ killed").await;
    console.click("#cancel").await;
    console.reads("#story-state", "cancelled").await;
    console.until(&has_started("cancel-order")).await;
    assert_ne!(kept, unhandled);

    console.choose_function("user-login").await;
    console.click("#kill").await;
    console.reads("#said", "✓ user-login was killed before the session is stored").await;
    console.reads(&of("user-login"), "✕ killed").await;
    let login = json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD});
    let login =
        Client::new().post(format!("{}/v1/users/login", console.system.api_url)).json(&login);
    assert_eq!(login.send().await.unwrap().status(), StatusCode::OK);
    console.until(&has_started("user-login")).await;

    console.choose_function("transaction-check").await;
    console.click("#kill").await;
    console.reads("#said", "of transaction-check killed").await;
    console.reads(&of("transaction-check"), "✕ killed").await;

    // Nothing runs of it, or it waits: both are said.
    console.choose_function("register-user").await;
    console.click("#kill").await;
    console.reads("#said", "✕ No process of register-user runs").await;
    let health = Client::new().get(format!("{}/health", console.system.api_url));
    assert_eq!(health.send().await.unwrap().status(), StatusCode::OK);
    console.choose_function("health").await;
    console.click("#kill").await;
    console.reads("#said", "of health killed. It waited").await;

    console.choose(&unhandled).await;
    let repaired =
        "document.getElementById('verdict').innerText.startsWith('✓ Repaired: the event')";
    console.browser.until(repaired, NEXT_WINDOW).await.unwrap();
    console.reads("#story-state", "confirmed").await;
    let again = "document.querySelectorAll('.step[data-kind=delivery]').length > 1";
    console.until(again).await;
    console.browser.until(&busy("transaction-check"), NEXT_WINDOW).await.unwrap();
    let deliveries_after_the_kill = console.browser.run(
        "const kinds = [...document.querySelectorAll('.step')].map((row) => row.dataset.kind);
         return kinds.lastIndexOf('killed') < kinds.indexOf('reserve')",
    );
    assert_eq!(deliveries_after_the_kill.await.unwrap(), true);
}

/// A process that has served one request.
fn has_started(function: &str) -> String {
    let processes = format!("[...document.querySelectorAll('#functions [data-id={function}] li')]");
    let (lives, words) = ("!one.innerText.startsWith('✕')", "· 1 request · cold start");
    format!("{processes}.some((one) => {lives} && one.innerText.includes({words:?}))")
}

fn busy(function: &str) -> String {
    format!(
        "document.querySelector('#functions [data-id={function}]').innerText.includes('▶ busy')"
    )
}

async fn the_table_is_throttled(console: &Console) {
    console.click("#throttle").await;
    console.reads("#throttle", "Stop throttling").await;
    let before = console.browser.run(&format!("return {THROTTLED}")).await.unwrap();
    let earlier = console.shown().await;
    an_order_is_created_though_throttled(console).await;
    console.another_than(&earlier).await;
    console.until(&format!("{THROTTLED} > {before}")).await;
    console.browser.press("x").await.unwrap();
    console.reads("#throttle", "Throttle the table").await;
    let confirmed = "document.getElementById('story-state').innerText.includes('confirmed')";
    console.browser.until(confirmed, NEXT_WINDOW).await.unwrap();
}

/// An order is refused if each try of one of its reads is throttled.
async fn an_order_is_created_though_throttled(console: &Console) {
    let mut is_created = false;
    for _ in 0..TRIES_MAX {
        console.click("[data-press=create][data-orders='1']").await;
        console.until("document.getElementById('said').innerText !== '…'").await;
        let said = console.browser.run("return document.getElementById('said').innerText").await;
        is_created = said.unwrap().as_str().unwrap().contains("The order is created");
        if is_created {
            break;
        }
    }
    assert!(is_created, "no order was created in {TRIES_MAX} tries");
}

async fn the_broker_stops_and_starts(console: &Console) {
    console.click("#broker").await;
    console.reads("#broker", "Start the broker").await;
    let order_id = console.order_of("o").await;
    console.reads("#story-state", "created").await;
    console.reads("#verdict", "its event waits in the table").await;
    console.until("document.querySelector('#verdict').ariaLive === 'polite'").await;
    console.browser.press("b").await.unwrap();
    console.reads("#broker", "Stop the broker").await;
    console.choose(&order_id).await;
    console.step("publication").await;
    console.reads("#verdict", "the sweep has published").await;
}

async fn what_happened_is_counted(console: &Console) {
    let orders = ["created", "confirmed", "cancelled", "killed", "throttled", "given_up"];
    let protocol = ["half_messages", "commits", "rollbacks", "check_backs", "fences", "claims"];
    for counter in orders.iter().chain(&protocol).chain(&["deliveries", "acknowledged"]) {
        let count = format!("document.querySelector('#counters [data-id={counter}] dd').innerText");
        console.until(&format!("Number({count}) > 0")).await;
    }
    // Each cell behind the name of the topic, and the reads and writes of the table.
    for (row, cells) in
        [("#topics [data-id^=ORDER_EVENTS]", 5), ("#tables [data-id$=OrdersTable]", 2)]
    {
        let all = format!("[...document.querySelector({row:?}).cells].slice(1, {cells} + 1)");
        console.until(&format!("{all}.every((cell) => cell.innerText !== '0')")).await;
    }
}

async fn a_thousand_orders_are_begun(console: &Console) {
    console.click("[data-press=create][data-orders='1000']").await;
    console.reads("#jobs", "of 1000").await;
    console.browser.press("f").await.unwrap();
    console.until("document.querySelector('#verdict[role=status][aria-live=off]')").await;
}

/// The line counts those that were created, and names those that were not behind them.
async fn a_thousand_orders_are_created(console: &Console) {
    let all = "document.getElementById('activity').innerText.includes('1000 orders were created')";
    console.browser.until(all, THOUSAND).await.unwrap();
    console.until("!document.getElementById('jobs').innerText.includes('creating')").await;
}

async fn it_fits_a_narrow_window(console: &Console) {
    for width in [1280, 800] {
        console.browser.show_with(View { width, ..VIEW }).await.unwrap();
        let fits = "document.documentElement.scrollWidth <= window.innerWidth";
        console.until(fits).await;
    }
}

/// The viewer sends a request with the demo user's token to this system, whatever server the
/// description names.
async fn the_api_can_be_tried(browser: &Browser) {
    const OPERATION: &str = "#operations-orders-listOrders";
    until(browser, "!document.getElementById('login').disabled").await;
    browser.click("#login").await.unwrap();
    reads(browser, "#who", &format!("logged in as {DEMO_EMAIL}")).await;
    let (summary, execute) =
        (format!("{OPERATION} .opblock-summary-control"), format!("{OPERATION} .execute"));
    browser.click(&summary).await.unwrap();
    until(browser, &format!("document.querySelector({execute:?})")).await;
    browser.click(&execute).await.unwrap();
    let status = format!("{OPERATION} .live-responses-table .response .response-col_status");
    reads(browser, &status, "200").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_serves_its_documentation_where_it_is_to() {
    let mut options = options();
    options.parameters.insert("ApiDocs".to_owned(), "true".to_owned());
    let system = System::start(options).await.unwrap();
    let (browser, _children) = browser_at(&format!("{}/docs", system.api_url)).await;
    let fill = |name: &str, value: &str| {
        format!("document.querySelector('[name={name}]').value = {value:?};")
    };
    let form = [fill("email", DEMO_EMAIL), fill("password", DEMO_PASSWORD)].concat();
    browser.run(&form).await.unwrap();
    the_api_can_be_tried(&browser).await;
    let errors = browser.errors().await.unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    browser.stop().await;
    system.stop().await;
}

/// The job begins with the press, and not when its order is created.
async fn of_two_presses_at_once_one_gives_up_an_event(api_url: &str) {
    let client = Client::new();
    let token = client.get(format!("{api_url}/console/token")).send().await.unwrap();
    let token: serde_json::Value = token.json().await.unwrap();
    let press = async || {
        let press = client.post(format!("{api_url}/console/press"));
        let press = press.header("x-console-token", token["token"].as_str().unwrap());
        press.json(&json!({"press": "give-up"})).send().await.unwrap().status()
    };
    let (first, second) = tokio::join!(press(), press());
    let mut answers = [first, second];
    answers.sort();
    assert_eq!(answers, [StatusCode::OK, StatusCode::CONFLICT]);
}

/// What a foreign page could send, and what a name that resolves to this machine could.
async fn foreign_pages_and_names_are_refused(api_url: &str) {
    let client = Client::new();
    let press =
        || client.post(format!("{api_url}/console/press")).json(&json!({"press": "redrive"}));
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(press()).await, StatusCode::FORBIDDEN);
    let guessed = press().header("x-console-token", "0".repeat(32));
    assert_eq!(status(guessed).await, StatusCode::FORBIDDEN);
    let foreign = client.get(format!("{api_url}/console/token")).header(HOST, "evil.example");
    assert_eq!(status(foreign).await, StatusCode::FORBIDDEN);

    let foreign = client.get(format!("{api_url}/mails/list")).header(HOST, "evil.example");
    assert_eq!(status(foreign).await, StatusCode::FORBIDDEN);

    let token = client.get(format!("{api_url}/console/token")).send().await.unwrap();
    let token: serde_json::Value = token.json().await.unwrap();
    let own = press().header("x-console-token", token["token"].as_str().unwrap());
    let foreign = own.try_clone().unwrap().header("origin", "http://evil.example");
    assert_eq!(status(foreign).await, StatusCode::FORBIDDEN);
    // There is no dead letter yet, but the press is accepted.
    assert_eq!(status(own).await, StatusCode::CONFLICT);
}

/// Nothing inline, nothing of another origin, and in no frame; refusals included.
async fn each_page_has_its_policy(api_url: &str) {
    let client = Client::new();
    let get = |path: &str| client.get(format!("{api_url}{path}"));
    let pages = ["/", "/console", "/console/token", "/docs", "/mails", "/mails/link"];
    let refused = get("/mails").header(HOST, "evil.example");
    for request in pages.map(get).into_iter().chain([refused]) {
        let answer = request.send().await.unwrap();
        let (url, headers) = (answer.url().path(), answer.headers());
        let policy = headers["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|one| one == part), "{url}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{url}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{url}");
    }
}
