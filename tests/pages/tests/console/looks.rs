//! What a reader can tell: texts in dark and in light, and states without colour.

use std::collections::BTreeMap;
use std::time::Duration;

use pages::browser::{Browser, View};
use serde_json::Value;

use crate::{Console, VIEW, mails, until};

const LOOKS: &str = include_str!("looks.js");

/// <https://www.w3.org/TR/WCAG22/#contrast-minimum>, for text of any size.
const TEXT_CONTRAST_MIN: f64 = 4.5;

/// <https://www.w3.org/TR/WCAG22/#non-text-contrast>
const SHAPE_CONTRAST_MIN: f64 = 3.0;

/// Runs a script with the functions of `looks.js`.
pub(crate) async fn look(browser: &Browser, script: &str) -> Value {
    browser.run(&format!("{LOOKS}\n{script}")).await.unwrap()
}

/// The contrast of the outline of the element that has the focus.
pub(crate) async fn focus_is_drawn(browser: &Browser) {
    let focus = look(
        browser,
        "const element = document.activeElement;
         const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
         const { top, bottom, left, right } = element.getBoundingClientRect();
         const found = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
         const behind = element.parentElement;
         return {
             element: element.outerHTML.slice(0, 120), style: outlineStyle,
             width: parseFloat(outlineWidth), contrast: contrastOf(behind, outlineColor, behind),
             is_seen: element.contains(found) || Boolean(found?.contains(element)),
             is_within: top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth,
         };",
    )
    .await;
    let number = |name: &str| focus[name].as_f64().unwrap();
    assert!(focus["style"] == "solid" && number("width") >= 2.0, "no outline: {focus}");
    assert!(number("contrast") >= SHAPE_CONTRAST_MIN, "{focus}");
    assert!(focus["is_seen"] == true && focus["is_within"] == true, "hidden: {focus}");
}

/// Every text of every page has contrast in both schemes, and so have the arrows of the diagram.
pub(crate) async fn each_page_is_readable_in_dark_and_in_light(console: &Console, order_id: &str) {
    mails::a_reset_is_asked_for(console).await;
    let order = format!("/console#order={order_id}");
    // The viewer in `/docs` has colours of its own. A mail has four texts more than an empty list,
    // and the page of a link a label and a button.
    let pages = [
        ("/", "body", 20),
        (order.as_str(), "body", 150),
        ("/docs", ".head", 6),
        ("/mails", "body", 10),
        ("/mails/link#reset-password=1.secret", "body", 6),
    ];
    for (path, part, texts_min) in pages {
        let url = format!("{}{path}", console.system.api_url);
        console.browser.open("about:blank").await.unwrap();
        console.browser.open(&url).await.unwrap();
        let count = format!("(() => {{ {LOOKS}\nreturn texts('{part}').length; }})()");
        console.until(&format!("{count} >= {texts_min}")).await;
        for is_dark in [true, false] {
            console.browser.show_with(View { is_dark, ..VIEW }).await.unwrap();
            // What moves or fades in has come to its end.
            tokio::time::sleep(Duration::from_secs(1)).await;
            has_contrast(console, (path, part), texts_min, is_dark).await;
        }
    }
}

async fn has_contrast(
    console: &Console,
    (path, part): (&str, &str),
    texts_min: usize,
    is_dark: bool,
) {
    let script = format!(
        "return {{
             ground: luminance(ground(document.body)),
             texts: texts('{part}').map((e) => [e.innerText.trim().slice(0, 60),
                 contrastOf(e, getComputedStyle(e).color, e)]),
             shapes: [...document.querySelectorAll('div.arrow')].map((e) => [e.innerText,
                 contrastOf(e, getComputedStyle(e).borderBottomColor, e)]),
         }};"
    );
    let found = look(&console.browser, &script).await;
    let ground = found["ground"].as_f64().unwrap();
    assert!(if is_dark { ground < 0.1 } else { ground > 0.8 }, "{path}, {is_dark}: {ground}");
    let faint = |name: &str, least: f64| {
        let all = found[name].as_array().unwrap();
        let is_faint = |one: &&Value| one[1].as_f64().unwrap() < least;
        (all.len(), all.iter().filter(is_faint).map(Value::to_string).collect::<Vec<_>>())
    };
    let (texts, faint_texts) = faint("texts", TEXT_CONTRAST_MIN);
    assert!(texts >= texts_min, "{path} has {texts} texts");
    assert!(faint_texts.is_empty(), "{path}, dark: {is_dark}: {faint_texts:#?}");
    let (shapes, faint_shapes) = faint("shapes", SHAPE_CONTRAST_MIN);
    assert_eq!(shapes > 0, path.starts_with("/console"), "{path} has {shapes} arrows");
    assert!(faint_shapes.is_empty(), "{path}, dark: {is_dark}: {faint_shapes:#?}");
}

/// What was seen on the page at several moments: the tones of each text.
#[derive(Default)]
pub(crate) struct Tones(BTreeMap<String, Vec<String>>);

impl Tones {
    /// Takes in what the page shows now.
    pub(crate) async fn see(&mut self, console: &Console) {
        let found = look(&console.browser, "return tones()").await;
        for (text, tones) in found.as_object().unwrap() {
            let known = self.0.entry(text.clone()).or_default();
            for tone in tones.as_array().unwrap().iter().map(|tone| tone.as_str().unwrap()) {
                if !known.iter().any(|one| one == tone) {
                    known.push(tone.to_owned());
                }
            }
        }
    }

    /// No two states differ by their colour alone: each has words of its own.
    pub(crate) fn are_said_in_words(&self) {
        for (text, tones) in &self.0 {
            let (class, words) = text.split_once(": ").unwrap_or((text, ""));
            assert!(
                !words.is_empty() || class == "said",
                "a colour without words: {text} {tones:?}"
            );
            assert_eq!(tones.len(), 1, "the same words in several colours: {text} {tones:?}");
        }
        let says = |symbol: &str| self.0.keys().any(|text| text.contains(symbol));
        let states = ["● confirmed", "⊘ cancelled", "○ no order", "◐ created"];
        let halves = ["✓ committed", "◔ waits", "– none"];
        let processes = ["❄ frozen", "▶ busy", "■ stopped by you", "✕ killed ·"];
        let others = ["● live", "✓ user-login was killed"];
        for symbol in [&states[..], &halves, &processes, &others].concat() {
            assert!(says(symbol), "{symbol} was never seen among {:#?}", self.0.keys());
        }
    }
}

/// With the reader's own colours, what is chosen and what happened is drawn all the same.
pub(crate) async fn it_is_readable_with_forced_colours(console: &Console, order_id: &str) {
    console.choose(order_id).await;
    let view = View { has_forced_colours: true, ..VIEW };
    console.browser.show_with(view).await.unwrap();
    until(&console.browser, "matchMedia('(forced-colors: active)').matches").await;
    let found = look(
        &console.browser,
        "const width = (e) => parseFloat(getComputedStyle(e).borderLeftWidth);
         const rows = [...document.querySelectorAll('button.order')];
         return {
             chosen: rows.filter((e) => e.ariaCurrent).map(width),
             others: rows.filter((e) => !e.ariaCurrent).map(width),
             faint: [...document.querySelectorAll('.arrow')].map((e) =>
                 contrastOf(e, getComputedStyle(e).borderBottomColor, e)).filter((c) => c < 3),
         };",
    )
    .await;
    let widths = |name: &str| -> Vec<f64> {
        found[name].as_array().unwrap().iter().map(|width| width.as_f64().unwrap()).collect()
    };
    assert_eq!(widths("chosen"), [3.0], "{found}");
    assert!(!widths("others").is_empty() && widths("others").iter().all(|w| *w < 1.0), "{found}");
    assert!(widths("faint").is_empty(), "{found}");
    console.browser.show_with(VIEW).await.unwrap();
}
