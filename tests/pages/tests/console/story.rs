//! One order in the diagram, compared with what the console's state and the API say of it.

use harness::user::User;
use reqwest::Client;
use serde_json::Value;

use crate::Console;

/// The state of the order shown, its rows in the diagram and the middles of its lanes.
const LOOK: &str = "
    const middle = (e) => { const r = e.getBoundingClientRect(); return (r.left + r.right) / 2; };
    const id = document.getElementById('story-id').innerText;
    const before = Date.now();
    const view = await (await fetch(`/console/state?order=${id}`)).json();
    const after = Date.now();
    const lanes = Object.fromEntries([...document.querySelectorAll('.lane-names span')]
        .map((lane) => [lane.innerText.replace(/\\s/g, ''), middle(lane)]));
    const rows = [...document.querySelectorAll('.step')].map((row) => {
        const shape = row.querySelector('.arrow, .mark');
        const { left, right } = shape.getBoundingClientRect();
        const head = getComputedStyle(shape, '::after').left;
        return {
            number: Number(row.dataset.id), kind: row.dataset.kind,
            time: row.querySelector('time').innerText, says: row.querySelector('.says').innerText,
            reader: [...row.children].filter((part) => !part.ariaHidden)
                .map((part) => part.textContent).join(' '),
            label: row.getAttribute('aria-label'), words: shape.innerText,
            is_mark: shape.className === 'mark', left, right,
            is_to_left: head === '1px', is_visible: row.checkVisibility(),
        };
    });
    return { story: view.story, now_ms: view.now_ms, before, after, lanes, rows };
";

/// The rows of a story that is made up, without what is drawn.
const MADE_UP: &str = "
    return (async () => {
        const { show } = await import('/console/diagram.js');
        const [lanes, steps, empty] = ['div', 'ol', 'p'].map((name) => document.createElement(name));
        const step = {
            number: 1, at_ms: 0, from: 'create-order', to: 'table', kind: 'put', label: 'PutItem',
            outcome: 'throttled', tries: 3, took_ms: null, meaning: '',
        };
        show({ lanes, steps, empty }, { order_id: 'made up', left_out: 1007, all_steps: [step] });
        steps.querySelectorAll('[aria-hidden]').forEach((drawn) => drawn.remove());
        return [...steps.children].map((row) => row.textContent);
    })();
";

/// How far an arrow may end from the middle of its lane, in pixels.
const NEAR: f64 = 2.0;

/// Between the first and the last moment at which something was seen to happen.
struct Span {
    from_ms: f64,
    to_ms: f64,
}

/// Each step is at its place, between its lanes and with its times; and the times of the order's
/// history lie within those of the steps that made it.
pub(crate) async fn it_has_the_steps_and_times_that_the_api_has(console: &Console, id: &str) {
    console.choose(id).await;
    let look = settled(console).await;
    let steps = look["story"]["all_steps"].as_array().unwrap();
    let rows = look["rows"].as_array().unwrap();
    assert_eq!(rows.len(), steps.len());
    let begun_ms = steps[0]["at_ms"].as_f64().unwrap();
    let mut last_ms = begun_ms;
    for (row, step) in rows.iter().zip(steps) {
        assert_eq!((&row["number"], &row["kind"]), (&step["number"], &step["kind"]));
        assert_eq!(row["is_visible"], true, "{row}");
        let at_ms = step["at_ms"].as_f64().unwrap();
        assert!(at_ms >= last_ms, "{step} is before the step above");
        last_ms = at_ms;
        has_times_and_words(row, step, begun_ms);
        is_between_its_lanes(row, step, &look["lanes"]);
    }
    let kinds: Vec<_> = steps.iter().map(|step| step["kind"].as_str().unwrap()).collect();
    let place = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap();
    let protocol = ["request", "half-message", "put", "commit", "delivery", "reserve"];
    assert!(protocol.map(place).is_sorted(), "{kinds:?}");
    has_the_history_of_the_api(console, id, &look).await;
}

/// A story as no order here has it: a step that was tried three times, and more than are kept.
pub(crate) async fn tries_and_steps_that_are_not_kept_are_said(console: &Console) {
    let rows = console.browser.run(MADE_UP).await.unwrap();
    let [step, last] = [&rows[0], &rows[1]].map(|row| row.as_str().unwrap());
    assert!(step.contains("create-order to table: PutItem, 3 tries."), "{rows}");
    assert_eq!((rows.as_array().unwrap().len(), last), (2, "1,007 further steps are not kept."));
}

/// What the page shows once nothing more happens to the order.
async fn settled(console: &Console) -> Value {
    console.reads("#verdict", "every event is handled").await;
    let look = async || {
        let script = format!("return (async () => {{ {LOOK} }})()");
        console.browser.run(&script).await.unwrap()
    };
    let mut before = look().await;
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let now = look().await;
        if now["story"] == before["story"] && now["rows"] == before["rows"] {
            return now;
        }
        before = now;
    }
}

fn has_times_and_words(row: &Value, step: &Value, begun_ms: f64) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (time, says) = (text(&row["time"]), text(&row["says"]));
    let at_ms = step["at_ms"].as_f64().unwrap() - begun_ms;
    assert!(is_written(time.strip_prefix("+ ").unwrap(), at_ms), "{time} is not {at_ms} ms");
    let headline = says.lines().next().unwrap();
    match step["took_ms"].as_f64() {
        Some(took_ms) => {
            let (_, took) = headline.rsplit_once(" · ").unwrap();
            assert!(is_written(took, took_ms), "{headline} is not {took_ms} ms");
        }
        None => assert!(!headline.contains(" · "), "{headline}"),
    }
    assert!(says.contains(step["meaning"].as_str().unwrap()), "{says}");
    assert!(text(&row["words"]).contains(step["label"].as_str().unwrap()), "{row}");
    // A screen reader gets the same, each part once, and as text: it may leave out a label here.
    assert_eq!(row["label"], Value::Null);
    let reader = text(&row["reader"]);
    let parts = ["from", "to", "label", "meaning"].map(|name| text(&step[name]));
    for part in parts.iter().chain([&time]) {
        assert!(reader.contains(part.as_str()), "{part} is not in {reader}");
    }
    assert_eq!(reader.matches(&parts[3]).count(), 1, "{reader}");
}

/// Whether `text` is this time, as exactly as it is written.
fn is_written(text: &str, ms: f64) -> bool {
    let (number, unit) = text.split_once(' ').unwrap();
    let number: f64 = number.parse().unwrap();
    match unit {
        "ms" if number < 10.0 => (number - ms).abs() <= 0.051,
        "ms" => (number - ms).abs() <= 0.51,
        "s" => (number * 1_000.0 - ms).abs() <= 5.1,
        _ => false,
    }
}

fn is_between_its_lanes(row: &Value, step: &Value, lanes: &Value) {
    let lane = |name: &str| lanes[step[name].as_str().unwrap()].as_f64().unwrap();
    let (from, to) = (lane("from"), lane("to"));
    let (left, right) = (row["left"].as_f64().unwrap(), row["right"].as_f64().unwrap());
    if from.total_cmp(&to).is_eq() {
        assert_eq!(row["is_mark"], true, "{row}");
        assert!(((left + right) / 2.0 - from).abs() <= NEAR, "{row} is not at {from}");
        return;
    }
    assert!((left - from.min(to)).abs() <= NEAR, "{row} is not between {from} and {to}");
    assert!((right - from.max(to)).abs() <= NEAR, "{row} is not between {from} and {to}");
    assert_eq!(row["is_to_left"], to < from, "{row}");
}

/// The functions read their own clock: each time of the history lies within the steps that made it.
async fn has_the_history_of_the_api(console: &Console, order_id: &str, look: &Value) {
    let user = User::log_in(&console.system.api_url, Client::new()).await.unwrap();
    let order = user.read(order_id).send().await.unwrap();
    let order: Value = order.json().await.unwrap();
    let made_by = [
        ("CREATED", "request", "put"),
        ("CONFIRMED", "delivery", "reserve"),
        ("CANCELLED", "cancel-request", "cancel"),
    ];
    let history = order["history"].as_array().unwrap();
    assert_eq!(history.len(), made_by.len(), "{order}");
    for (change, (status, first, last)) in history.iter().zip(made_by) {
        assert_eq!(change["status"], status);
        let at = format!("return Date.parse({})", change["at"]);
        let at_ms = console.browser.run(&at).await.unwrap().as_f64().unwrap();
        let Span { from_ms, to_ms } = between(look, first, last);
        assert!(
            (from_ms..=to_ms).contains(&at_ms),
            "{status} at {at_ms}, but the console saw {from_ms} to {to_ms}"
        );
    }
}

/// From the first step of one kind to the end of the last done step of another, by the clock of
/// the wall, as exactly as the page's clock and its question allow.
fn between(look: &Value, first: &str, last: &str) -> Span {
    let number = |name: &str| look[name].as_f64().unwrap();
    let steps = || look["story"]["all_steps"].as_array().unwrap().iter();
    let at = |step: &Value| step["at_ms"].as_f64().unwrap();
    let first = steps().find(|step| step["kind"] == first).unwrap();
    let last = steps().rfind(|step| step["kind"] == last && step["outcome"] == "done").unwrap();
    let end_ms = at(last) + last["took_ms"].as_f64().unwrap();
    Span {
        from_ms: number("before") - number("now_ms") + at(first) - 1.0,
        to_ms: number("after") - number("now_ms") + end_ms + 1.0,
    }
}
