//! Keeps the scheduled functions running.

use std::convert::Infallible;

use local_lambda::LambdaHost;

pub(crate) const EVENT_CONSUMER: &str = "event-consumer";

const TRANSACTION_CHECK: &str = "transaction-check";

/// Invokes each function for one window after another, each as long as the template's. On AWS the
/// next window of event-consumer begins before the previous one ends; here one process does all the
/// work.
///
/// # Errors
///
/// When a window fails.
pub(crate) async fn keep_live(host: &LambdaHost) -> anyhow::Result<Infallible> {
    let (never, _) = tokio::try_join!(
        windows(host, EVENT_CONSUMER, r#"{"window_seconds": 130}"#),
        windows(host, TRANSACTION_CHECK, r#"{"window_seconds": 50}"#),
    )?;
    Ok(never)
}

async fn windows(
    host: &LambdaHost,
    function: &str,
    event: &'static str,
) -> anyhow::Result<Infallible> {
    loop {
        let result = host.invoke(function, event).await?;
        let payload = String::from_utf8_lossy(&result.payload);
        anyhow::ensure!(result.function_error.is_none(), "{function} failed: {payload}");
    }
}
