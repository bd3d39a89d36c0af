//! Membership of the group that answers check-backs.
//!
//! The client's own member inflates the body of each half message that it is asked about, whatever is
//! set (`client_remoting_processor.rs` of rocketmq-client-rust 1.0.0), and whoever may send half
//! messages to any topic of a cluster can name our group in them: 1 MiB becomes 1 GiB. So this member
//! stands on the client's transport, and reads properties only.

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

/// How long the first greeting of the brokers may take. With a cluster that is away it ends sooner, and
/// the member goes on trying to connect.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long leaving may take, apart from the client's end.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How many check-backs may wait for their turn. Further ones are dropped, and the broker asks again in
/// its next round.
const CHECKS_WAITING_MAX: usize = 4096;

/// The group was not joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The client's threads can't be had.
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

/// A live member of the group `transaction-check`, connected to every broker of our topics: brokers
/// ask it what became of half messages. It sends nothing.
pub struct CheckedGroup {
    client: RocketmqClient,
    /// Its drop ends it.
    answering: JoinSet<()>,
    /// Its drop ends the membership.
    leave: oneshot::Sender<oneshot::Sender<()>>,
}

impl CheckedGroup {
    /// Joins, and has `handler` answer on the caller's runtime, in the caller's span, until it
    /// leaves. A cluster that is away is no error: the member greets it within 10 s of its return.
    ///
    /// # Errors
    ///
    /// [`JoinError`], if the client can't be started.
    pub async fn join(
        client: RocketmqClient,
        handler: Arc<impl CheckBackHandler>,
    ) -> Result<Self, JoinError> {
        let (asked, asking) = mpsc::channel(CHECKS_WAITING_MAX);
        let members = Members::start(client.clone(), asked).await?;
        let answering = answers::answer_all(handler, asking, client.clone(), members.current());
        // While the caller waits for the end of its window.
        let mut answers = JoinSet::new();
        answers.spawn(answering.in_current_span());
        let (leave, left) = oneshot::channel();
        let (greeted, first) = oneshot::channel();
        client.in_background("rocketmq.checked_group", members.keep(greeted, left));
        let gone = |_| unavailable(Missing("the client is shutting down".to_owned()));
        let group = Self { client, answering: answers, leave };
        match within(Deadline::after(JOIN_TIMEOUT), "joining the group", first).await {
            // It goes on by itself.
            Err(_too_late) => {}
            Ok(greeted) => greeted.map_err(gone)?,
        }
        Ok(group)
    }

    /// Leaves the group, so that brokers ask others. With the last adapter of a client, the client
    /// ends too.
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
