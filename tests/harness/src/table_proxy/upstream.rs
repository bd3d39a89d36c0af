//! The destination of a table proxy's calls.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderMap;

use super::TableAnswer;

/// The end of a connection without an answer to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    #[error("the connection is closed")]
    Closed,
    #[error("the connection is reset")]
    Reset,
}

/// The table, or the weather before it.
pub(crate) trait Upstream: Send + Sync {
    /// Sends a call and returns the answer.
    ///
    /// # Errors
    /// When there is no answer.
    fn send<'call>(
        &'call self,
        headers: &'call HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'call, Result<TableAnswer, Cut>>;
}

pub(crate) struct TableEndpoint {
    url: String,
    client: reqwest::Client,
}

impl TableEndpoint {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: reqwest::Client::new() }
    }

    async fn post(&self, headers: &HeaderMap, body: Bytes) -> Result<TableAnswer, Cut> {
        let mut request = self.client.post(&self.url).body(body);
        for (name, value) in headers {
            if name != http::header::HOST && name != http::header::CONTENT_LENGTH {
                request = request.header(name, value);
            }
        }
        // If the table is down, the caller's connection closes, too.
        let answer = request.send().await.map_err(|_| Cut::Closed)?;
        let status = answer.status();
        let mut headers = answer.headers().clone();
        headers.remove(http::header::CONTENT_LENGTH);
        headers.remove(http::header::TRANSFER_ENCODING);
        let body = answer.bytes().await.map_err(|_| Cut::Closed)?;
        Ok(TableAnswer { status, headers, body })
    }
}

impl Upstream for TableEndpoint {
    fn send<'call>(
        &'call self,
        headers: &'call HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'call, Result<TableAnswer, Cut>> {
        self.post(headers, body).boxed()
    }
}
