use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Frame, read_frame};

const LIMIT: Duration = Duration::from_secs(2);

/// Sends a request to the server at `address` (`host:port`) on a new connection, and returns the
/// answer, whatever its code.
///
/// # Errors
/// When it does not answer within two seconds.
pub async fn ask(address: &str, request: &Frame) -> anyhow::Result<Frame> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&request.encode()?).await?;
        let answer = read_frame(&mut stream).await?.context("the server closed the connection")?;
        Frame::decode(&answer)
    };
    tokio::time::timeout(LIMIT, exchange)
        .await
        .with_context(|| format!("{address} does not answer"))?
        .with_context(|| format!("the request to {address} failed"))
}
