//! The page `/`.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use tokio::process::Command;
use tokio::time::timeout;

use crate::Console;

/// How long the commands of the first order may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Each link leads to a page, and the commands create an order, which this returns.
pub(crate) async fn it_leads_to_the_pages_and_to_the_first_order(console: &Console) -> String {
    let api_url = &console.system.api_url;
    console.browser.open(&format!("{api_url}/")).await.unwrap();
    let links = "return [...new Set([...document.querySelectorAll('a[href]')].map(a => a.href))]";
    let links = console.browser.run(links).await.unwrap();
    let links: Vec<_> =
        links.as_array().unwrap().iter().map(|link| link.as_str().unwrap()).collect();
    for path in ["/", "/console", "/docs", "/mails"] {
        let link = format!("{api_url}{path}");
        assert!(links.contains(&link.as_str()), "{path} is not among {links:?}");
    }
    let client = Client::new();
    for link in links {
        let answer = client.get(link).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{link}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("text/html"), "{link}: {kind}");
    }
    console.reads("#commands", &format!("API={api_url}")).await;
    console.click("#copy").await;
    // A browser without a clipboard selects them instead.
    console.until("document.getElementById('copied').innerText !== ''").await;

    let script = console.browser.run("return document.getElementById('commands').innerText").await;
    let script = script.unwrap().as_str().unwrap().to_owned();
    let output = Command::new("sh").args(["-c", &script]).kill_on_drop(true).output();
    let output = timeout(LIMIT, output).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let (_, rest) = printed.split_once(r#""order_id":""#).unwrap();
    let (order_id, _) = rest.split_once('"').unwrap();
    let last = printed.lines().last().unwrap();
    assert!(last.contains(order_id) && last.contains(r#""status":"CONFIRMED""#), "{printed}");
    console.choose(order_id).await;
    console.reads("#story-state", "confirmed").await;
    order_id.to_owned()
}
