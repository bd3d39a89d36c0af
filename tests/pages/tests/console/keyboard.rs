//! The console with the keyboard alone: no mouse, and first without the page's shortcuts.

use std::collections::BTreeSet;
use std::time::Duration;

use pages::browser::keys::{DOWN, ENTER, PAGE_DOWN, TAB};
use serde_json::Value;

use crate::Console;
use crate::looks::{Tones, focus_is_drawn};

const SPACE: char = ' ';

/// More presses of the Tab key than the page has places for the focus.
const TABS_MAX: usize = 300;

/// What the conditions below look at.
const WATCH: &str = "
    window.text = (selector) => document.querySelector(selector)?.innerText ?? '';
    window.count = (id) => Number(text(`#counters [data-id=${id}] dd`).replaceAll(',', ''));
    window.killed = () => text('#story-id') !== order
        && document.querySelector('.step[data-kind=killed]');
    window.order = text('#story-id');
    window.created = count('created');
    window.places = () => [...document.querySelectorAll('a[href], button:not(:disabled), input, \
        select, [tabindex=\"0\"]')].filter((one) => one.checkVisibility());
";

/// Keeps the clicks on their way, and returns the key that each button names.
const CATCH: &str = "
    window.clicked = [];
    window.keep = (event) => {
        event.stopImmediatePropagation();
        clicked.push(event.target.querySelector('kbd')?.innerText);
    };
    document.addEventListener('click', keep, true);
    return [...document.querySelectorAll('.controls button')]
        .map((button) => button.querySelector('kbd').innerText);
";

/// A button of the console, the key that presses it, and what follows on the page.
type Pressed = (&'static str, char, &'static str);

const BUTTONS: [Pressed; 15] = [
    ("[data-orders='1']", ENTER, "text('#story-id') !== order"),
    ("#cancel", SPACE, "text('#story-state').includes('cancelled')"),
    ("[data-orders='10']", SPACE, "count('created') >= created + 10"),
    ("[data-before=half-message]", ENTER, "killed()"),
    ("[data-before=put]", SPACE, "killed()"),
    ("[data-before=commit]", ENTER, "killed()"),
    ("#kill", SPACE, "text('#said').includes('✓ user-login was killed before')"),
    ("#freeze", ENTER, "text('#freeze').includes('Thaw')"),
    ("#freeze", SPACE, "text('#freeze').includes('Freeze')"),
    ("#broker", ENTER, "text('#broker').includes('Start the broker')"),
    ("#broker", SPACE, "text('#broker').includes('Stop the broker')"),
    ("#throttle", SPACE, "text('#throttle').includes('Stop throttling')"),
    ("#throttle", ENTER, "text('#throttle').includes('Throttle the table')"),
    ("[data-press=give-up]", ENTER, "text('#letters').includes('given up by notification')"),
    ("#redrive", SPACE, "text('#letters').includes('None')"),
];

/// It makes enough orders to hide all others. When it has made them is for the test to wait for.
pub(crate) const THE_LAST_BUTTON: Pressed =
    ("[data-orders='1000']", ENTER, "text('#jobs').includes('of 1000')");

/// Returns what was seen meanwhile.
pub(crate) async fn everything_is_done_with_the_keyboard(console: &Console) -> Tones {
    let mut tones = Tones::default();
    shortcuts_can_be_switched(console).await;
    for button in BUTTONS {
        match button.0 {
            "#kill" => choose_function(console, "user-login").await,
            "#freeze" => choose_function(console, "event-consumer").await,
            // The broker runs, the order shown can be cancelled, and there is a dead letter.
            "#redrive" => each_key_presses_its_button(console).await,
            _ => {}
        }
        press(console, button).await;
        tones.see(console).await;
    }
    no_button_is_left_out(console).await;
    an_order_is_chosen_and_read(console).await;
    the_tab_key_leads_to_each_control(console).await;
    tones
}

/// Moves the focus to a button, presses it and waits for what follows.
pub(crate) async fn press(console: &Console, (selector, key, follows): Pressed) {
    console.browser.run(WATCH).await.unwrap();
    tab_to(console, &format!(".controls {selector}")).await;
    console.browser.strike(key).await.unwrap();
    console.until(follows).await;
}

/// Presses Tab until the element has the focus.
async fn tab_to(console: &Console, selector: &str) {
    console.until(&format!("document.querySelector({selector:?})?.disabled !== true")).await;
    let is_there = format!("return document.activeElement.matches({selector:?})");
    let mut is_reached = false;
    for _ in 0..TABS_MAX {
        console.browser.strike(TAB).await.unwrap();
        is_reached = console.browser.run(&is_there).await.unwrap() == true;
        if is_reached {
            break;
        }
    }
    assert!(is_reached, "the Tab key does not lead to {selector}");
    focus_is_drawn(&console.browser).await;
}

/// Each shortcut clicks the button that names it. No click arrives: what it does is tested with
/// each button.
async fn each_key_presses_its_button(console: &Console) {
    console.until("!document.querySelector('.controls button:disabled')").await;
    let keys = console.browser.run(CATCH).await.unwrap();
    for key in keys.as_array().unwrap() {
        let key = key.as_str().unwrap().to_lowercase().parse::<char>().unwrap();
        console.browser.strike(key).await.unwrap();
    }
    let clicked = "document.removeEventListener('click', keep, true); return clicked";
    assert_eq!(console.browser.run(clicked).await.unwrap(), keys);
}

async fn choose_function(console: &Console, name: &str) {
    tab_to(console, "#function").await;
    // To the first one, and from there downwards.
    console.browser.strike('a').await.unwrap();
    let chosen = "return document.getElementById('function').value";
    let mut last = Value::Null;
    loop {
        let now = console.browser.run(chosen).await.unwrap();
        if now == name {
            return;
        }
        assert_ne!(now, last, "there is no function {name} in the list");
        last = now;
        console.browser.strike(DOWN).await.unwrap();
    }
}

/// Each button is in the list above.
async fn no_button_is_left_out(console: &Console) {
    let buttons = "return [...document.querySelectorAll('.controls button')].map((button) => \
                   button.innerText)";
    let all = console.browser.run(buttons).await.unwrap();
    let mut pressed = BTreeSet::new();
    for (selector, ..) in BUTTONS.into_iter().chain([THE_LAST_BUTTON]) {
        let text = format!("return document.querySelector(\".controls {selector}\").innerText");
        pressed.insert(console.browser.run(&text).await.unwrap().to_string());
    }
    let all: BTreeSet<_> = all.as_array().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(all, pressed);
}

/// A press of a key would create an order, so this switches the shortcuts off first, and on again.
async fn shortcuts_can_be_switched(console: &Console) {
    let id = "document.getElementById('story-id').innerText";
    let before = console.shown().await;
    tab_to(console, "#keys").await;
    console.browser.strike(SPACE).await.unwrap();
    console.until("!document.getElementById('keys').checked").await;
    console.browser.strike('o').await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(console.shown().await, before);
    console.browser.strike(SPACE).await.unwrap();
    console.browser.strike('o').await.unwrap();
    console.until(&format!("{id} !== {before:?}")).await;
}

/// From the list to the steps, without a shortcut and with them.
async fn an_order_is_chosen_and_read(console: &Console) {
    let newest = console.shown().await;
    tab_to(console, "#orders > li:nth-child(3) > button").await;
    console.browser.strike(ENTER).await.unwrap();
    let third = "document.querySelector('#orders > li:nth-child(3)').dataset.id";
    let shown = "document.getElementById('story-id').innerText";
    console.until(&format!("{shown} === {third}")).await;
    console.until("document.activeElement.ariaCurrent === 'true'").await;
    assert_ne!(console.shown().await, newest);

    for (key, child) in [('k', 2), ('j', 3), ('f', 1)] {
        console.browser.strike(key).await.unwrap();
        let order = format!("document.querySelector('#orders > li:nth-child({child})').dataset.id");
        console.until(&format!("{shown} === {order}")).await;
    }
    for is_checked in [false, true] {
        tab_to(console, "#follow").await;
        console.browser.strike(SPACE).await.unwrap();
        console.until(&format!("document.getElementById('follow').checked === {is_checked}")).await;
    }

    tab_to(console, ".skip").await;
    console.browser.strike(ENTER).await.unwrap();
    console.until("document.activeElement.id === 'story'").await;
    console.browser.run("window.before = scrollY").await.unwrap();
    console.browser.strike(PAGE_DOWN).await.unwrap();
    console
        .until("scrollY > window.before || scrollY + innerHeight >= document.body.scrollHeight")
        .await;
}

/// Once through the page: each place in its order, and seen.
async fn the_tab_key_leads_to_each_control(console: &Console) {
    let url = format!("{}/console", console.system.api_url);
    console.browser.open("about:blank").await.unwrap();
    console.browser.open(&url).await.unwrap();
    console.until("document.querySelectorAll('.step').length > 5").await;
    console.browser.run(WATCH).await.unwrap();
    let places = console.browser.run("return places().length").await.unwrap().as_u64().unwrap();
    assert!(places > 25, "only {places} places for the focus");
    for place in 0..places {
        console.browser.strike(TAB).await.unwrap();
        let at = "return places().indexOf(document.activeElement)";
        assert_eq!(console.browser.run(at).await.unwrap(), place, "of {places}");
        focus_is_drawn(&console.browser).await;
    }
}
