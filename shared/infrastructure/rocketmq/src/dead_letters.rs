//! Announcements on the dead-letter topic.

use std::convert::Infallible;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{FailureClass, WriteTry};
use application::ports::{DeadLetter, DeadLetterChannel};
use rocketmq_client_rust::SendStatus;

use crate::fault::{Missing, unavailable};
use crate::outbound::announcement;
use crate::publisher::RocketmqPublisher;

const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(3);

/// Announces dead letters on the topic with the order topic's name and `_DLQ`, over the publisher's
/// connection. The topic's `message.type` is NORMAL.
#[derive(Clone)]
pub struct RocketmqDeadLetters {
    publisher: RocketmqPublisher,
    topic: String,
}

impl RocketmqDeadLetters {
    /// Announces over the connection of `publisher`. Drop it before the publisher shuts down.
    pub fn new(publisher: &RocketmqPublisher) -> Self {
        let topic = publisher.config().dead_letter_topic();
        Self { publisher: publisher.clone(), topic }
    }
}

impl DeadLetterChannel for RocketmqDeadLetters {
    async fn announce(&self, letter: &DeadLetter) -> WriteTry<Infallible> {
        let message = announcement(letter, &self.topic);
        let (within, record) =
            (Deadline::after(ANNOUNCE_TIMEOUT), RocketmqPublisher::record_answer);
        match self.publisher.send(message, within, record).await {
            Ok(sent) if sent.send_status == SendStatus::SendOk => WriteTry::Done,
            Ok(sent) => WriteTry::Unknown(unavailable(Missing(format!(
                "the broker did not confirm the message: {}",
                sent.send_status
            )))),
            Err(failure) if failure.class == FailureClass::Permanent => WriteTry::NotBegun(failure),
            Err(failure) => WriteTry::Unknown(failure),
        }
    }
}
