//! The demo user, or another user with a token, as a client of a running system.

use std::sync::{PoisonError, RwLock};

use anyhow::Context;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::provision::{DEMO_EMAIL, DEMO_PASSWORD};

/// A client of the API with an access token, which is valid for 15 minutes.
pub struct User {
    api_url: String,
    client: Client,
    token: RwLock<String>,
}

impl User {
    #[must_use]
    pub fn new(api_url: &str, client: Client, token: String) -> Self {
        Self { api_url: api_url.to_owned(), client, token: RwLock::new(token) }
    }

    /// Logs the demo user in.
    ///
    /// # Errors
    /// When the API does not answer with a token; the error names the answer.
    pub async fn log_in(api_url: &str, client: Client) -> anyhow::Result<Self> {
        let user = Self::new(api_url, client, String::new());
        user.renew().await?;
        Ok(user)
    }

    /// Logs the demo user in again, and uses the new token.
    ///
    /// # Errors
    /// The same as of [`User::log_in`]. The token stays as it is.
    pub async fn renew(&self) -> anyhow::Result<()> {
        let answer = self.login().send().await.context("the API does not answer")?;
        let status = answer.status();
        anyhow::ensure!(status == 200, "the answer to the demo user's login is {status}");
        let tokens: Value = answer.json().await?;
        let token = tokens.get("access_token").and_then(Value::as_str);
        let token = token.context("the answer to the demo user's login has no token")?.to_owned();
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }

    /// The newest access token: a login replaces it.
    #[must_use]
    pub fn token(&self) -> String {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.api_url))
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(self.token())
    }

    /// A login of the demo user.
    pub fn login(&self) -> RequestBuilder {
        let credentials = json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD});
        self.anonymous(Method::POST, "/v1/users/login").json(&credentials)
    }

    /// A request for an order with this body, such as [`order_of`].
    pub fn order(&self, body: &Value) -> RequestBuilder {
        self.request(Method::POST, "/v1/orders").json(body)
    }

    /// [`User::order`] with an idempotency key.
    pub fn order_under(&self, key: &str, body: &Value) -> RequestBuilder {
        self.order(body).header("idempotency-key", key)
    }

    pub fn read(&self, order_id: &str) -> RequestBuilder {
        self.request(Method::GET, &format!("/v1/orders/{order_id}"))
    }

    pub fn cancel(&self, order_id: &str) -> RequestBuilder {
        self.request(Method::POST, &format!("/v1/orders/{order_id}/cancel"))
    }

    /// Checks that the API can create orders, without creating one: the order names a product that
    /// does not exist. create-order can only refuse it after it has started, connected, verified
    /// the token and read the catalog.
    ///
    /// # Errors
    /// When it cannot; the error names the answer.
    pub async fn can_order(&self) -> anyhow::Result<()> {
        let status = self.order(&order_of(0, 1)).send().await?.status();
        anyhow::ensure!(status == 422, "the answer to an order of an unknown product is {status}");
        Ok(())
    }
}

#[must_use]
pub fn order_of(product_id: u64, quantity: u64) -> Value {
    json!({"items": [{"product_id": product_id, "quantity": quantity}]})
}
