use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Frame, read_frame};

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks the server at `address` (`host:port`) on a connection of its own, and returns its answer,
/// whatever its code.
///
/// # Errors
/// When it does not answer within two seconds.
pub async fn ask(address: &str, request: &Frame) -> anyhow::Result<Frame> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&request.encode()?).await?;
        let answer = read_frame(&mut stream).await?.context("it hung up")?;
        Frame::decode(&answer)
    };
    tokio::time::timeout(LIMIT, asked)
        .await
        .with_context(|| format!("{address} does not answer"))?
        .with_context(|| format!("{address} cannot be asked"))
}
