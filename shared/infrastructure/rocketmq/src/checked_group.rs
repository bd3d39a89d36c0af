//! Membership of the group that answers check-backs.
//!
//! The client's own member decompresses the body of each half message that a broker asks about,
//! whatever its settings (`client_remoting_processor.rs` of rocketmq-client-rust 1.0.0). Anyone who
//! may send half messages to any topic of the cluster can name our group in them, and 1 MiB can
//! become 1 GiB. So this member uses the client's transport directly, and reads only properties.

mod answers;
mod checks;
mod members;

use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Cause, Failure};
use application::ports::CheckBackHandler;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::call::within;
use crate::client::{RocketmqClient, StartError};
use crate::fault::{Missing, unavailable};
use members::Members;

/// How long the first heartbeats to the brokers may take. If the cluster is unreachable they fail
/// sooner, and the member keeps trying to connect.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long leaving may take, without the client's shutdown.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How many check-backs may wait for an answer. Further ones are dropped, and the broker asks again
/// in its next round.
const CHECKS_WAITING_MAX: usize = 4096;

/// Why this process is not a member of the group, so no check-back reaches it.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The client's threads could not be started; nothing was sent.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The client didn't start as a member of the group.
    #[error("the group could not be joined")]
    Join(#[source] Cause),
}

impl From<Failure> for JoinError {
    fn from(failure: Failure) -> Self {
        Self::Join(failure.cause)
    }
}

/// A live member of the group `transaction-check`, connected to every broker of our topics. Brokers
/// ask it whether to commit half messages or roll them back. It sends no messages.
pub struct CheckedGroup {
    client: RocketmqClient,
    /// Dropping it stops the answers.
    answering: JoinSet<()>,
    /// Dropping it ends the membership.
    leave: oneshot::Sender<oneshot::Sender<()>>,
}

impl CheckedGroup {
    /// Joins the group. `handler` answers on the caller's runtime, in the caller's span, until
    /// [`Self::leave`]. An unreachable cluster is not an error: the member sends it a heartbeat
    /// within 10 s of its return.
    ///
    /// # Errors
    ///
    /// [`JoinError`], if the client can't be started.
    pub async fn join(
        client: RocketmqClient,
        handler: Arc<impl CheckBackHandler>,
    ) -> Result<Self, JoinError> {
        let (sender, received) = mpsc::channel(CHECKS_WAITING_MAX);
        let members = Members::start(client.clone(), sender).await?;
        let answering = answers::answer_all(handler, received, client.clone(), members.current());
        // They run while the caller waits for the end of its window.
        let mut answers = JoinSet::new();
        answers.spawn(answering.in_current_span());
        let (leave, left) = oneshot::channel();
        let (greeted, first) = oneshot::channel();
        client.in_background("rocketmq.checked_group", members.keep(greeted, left));
        let gone = |_| unavailable(Missing("the client is shutting down".to_owned()));
        let group = Self { client, answering: answers, leave };
        match within(Deadline::after(JOIN_TIMEOUT), "joining the group", first).await {
            // The member keeps trying in the background.
            Err(_too_late) => {}
            Ok(greeted) => greeted.map_err(gone)?,
        }
        Ok(group)
    }

    /// Leaves the group, so that brokers ask other members. If this is the last adapter of the
    /// client, the client is shut down too.
    pub async fn leave(self) {
        let Self { client, mut answering, leave } = self;
        answering.shutdown().await;
        let (done, left) = oneshot::channel();
        let has_left = leave.send(done).is_ok()
            && matches!(tokio::time::timeout(LEAVE_TIMEOUT, left).await, Ok(Ok(())));
        if !has_left {
            tracing::warn!("rocketmq.leave_timed_out");
        }
        client.shutdown().await;
    }
}
