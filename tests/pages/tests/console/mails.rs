//! The pages `/mails` and `/mails/link`.

use harness::provision::DEMO_EMAIL;
use pages::browser::keys::ENTER;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::Console;

/// The answer's status and body; the body is null if the answer is empty.
async fn post(console: &Console, path: &str, body: Value) -> (StatusCode, Value) {
    let url = format!("{}{path}", console.system.api_url);
    let answer = Client::new().post(url).json(&body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

/// Asks for a reset of the demo user's password, whose mail `/mails` then shows.
pub(crate) async fn a_reset_is_asked_for(console: &Console) {
    let asked = post(console, "/v1/password-resets", json!({"email": DEMO_EMAIL})).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED);
}

/// Follows the link of a mail, as soon as it is there. The token leaves the address at once.
async fn follow_link(console: &Console, to: &str, purpose: &str) {
    console.browser.open(&format!("{}/mails", console.system.api_url)).await.unwrap();
    console.reads("#list", to).await;
    console.click(&format!("#list a[href*='#{purpose}=']")).await;
    console.until("location.pathname === '/mails/link' && location.hash === ''").await;
}

pub(crate) async fn a_password_is_reset(console: &Console) {
    const NEW: &str = "a new sentence that nobody guesses";
    a_reset_is_asked_for(console).await;
    follow_link(console, DEMO_EMAIL, "reset-password").await;
    console.reads("#lead", "Choose a new password").await;
    let script = format!("document.getElementById('new').value = {NEW:?}");
    console.browser.run(&script).await.unwrap();
    console.click("#new").await;
    console.browser.strike(ENTER).await.unwrap();
    console.reads("#result", "The password is set").await;
    let login = json!({"email": DEMO_EMAIL, "password": NEW});
    assert_eq!(post(console, "/v1/users/login", login).await.0, StatusCode::OK);
}

pub(crate) async fn an_address_is_confirmed(console: &Console) {
    let account = json!({"email": "reader@example.com", "password": "a sentence of the reader's"});
    assert_eq!(post(console, "/v1/users", account.clone()).await.0, StatusCode::CREATED);
    let (_, tokens) = post(console, "/v1/users/login", account).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert!(!is_confirmed(console, access).await);

    follow_link(console, "reader@example.com", "confirm-email").await;
    console.reads("#lead", "Confirm that this is the e-mail address").await;
    console.until("!document.getElementById('new').checkVisibility()").await;
    // Without an answer the reader can try again.
    let fails = "window.real = fetch; window.fetch = () => Promise.reject(new TypeError('gone'))";
    console.browser.run(fails).await.unwrap();
    console.click("#go").await;
    console.reads("#result", "The service does not answer").await;
    console.until("!document.getElementById('go').disabled").await;
    console.browser.run("window.fetch = window.real").await.unwrap();
    console.click("#go").await;
    console.reads("#result", "The address is confirmed").await;
    assert!(is_confirmed(console, access).await);
}

async fn is_confirmed(console: &Console, access: &str) -> bool {
    let url = format!("{}/v1/users/me", console.system.api_url);
    let account = Client::new().get(url).bearer_auth(access).send().await.unwrap();
    let account: Value = account.json().await.unwrap();
    account["email_confirmed"].as_bool().unwrap()
}
