use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, Settled};
use application::ports::{
    DeadLetter, DeadLetterChannel, EndError, EventSubscription, HalfMessage, PrepareError,
    PublishedEvents, Resolution, Topic, TransactionalPublisher,
};
use domain::identity::EventId;
use tokio::time::Instant as Moment;

use super::{MemoryBroker, MemoryDelivery, MemoryReceipt, away, strikes, wait_in_vain};

/// How long a received message is its receiver's, as with the real one.
const INVISIBLE_FOR: Duration = Duration::from_secs(30);

/// How long a request waits for messages.
const POLL_FOR: Duration = Duration::from_millis(1500);

/// The most messages of one request.
const BATCH_MAX: usize = 32;

impl TransactionalPublisher for MemoryBroker {
    type Receipt = MemoryReceipt;

    async fn prepare(
        &self,
        half: &HalfMessage<'_>,
        deadline: Deadline,
    ) -> Result<MemoryReceipt, PrepareError> {
        tokio::task::yield_now().await;
        let lost = {
            let mut state = self.state();
            if state.away || strikes(&mut state.faults.failed_prepares) {
                return Err(PrepareError::Failed(away()));
            }
            let receipt = state.store(half);
            if strikes(&mut state.faults.doubtful_prepares) {
                return Err(PrepareError::Doubtful("FLUSH_DISK_TIMEOUT".to_owned()));
            }
            let lost = strikes(&mut state.faults.lost_prepare_replies);
            if !lost {
                return Ok(receipt);
            }
            Failure::new(FailureClass::Unavailable, "the answer was lost")
        };
        wait_in_vain(deadline).await;
        Err(PrepareError::Failed(lost))
    }

    async fn end(
        &self,
        receipt: &MemoryReceipt,
        resolution: Resolution,
        deadline: Deadline,
    ) -> Result<(), EndError> {
        tokio::task::yield_now().await;
        let (arrives, answered) = {
            let mut state = self.state();
            if strikes(&mut state.faults.refused_ends) {
                let cause = "the half message is too old";
                return Err(EndError::Refused(Failure::new(FailureClass::Permanent, cause)));
            }
            let arrives = !state.away && !strikes(&mut state.faults.lost_ends);
            (arrives, arrives && !strikes(&mut state.faults.lost_end_replies))
        };
        if arrives {
            self.settle(receipt.0, resolution);
        }
        if answered {
            return Ok(());
        }
        wait_in_vain(deadline).await;
        Err(EndError::Unknown(away()))
    }
}

impl PublishedEvents for MemoryBroker {
    async fn is_published(
        &self,
        _topic: Topic,
        event_id: EventId,
        _deadline: Deadline,
    ) -> Result<bool, Failure> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        if state.away || strikes(&mut state.faults.failed_lookups) {
            return Err(away());
        }
        Ok(state.holds(event_id))
    }
}

impl EventSubscription for MemoryBroker {
    type Delivery = MemoryDelivery;

    async fn receive(&self, deadline: Deadline) -> Result<Vec<MemoryDelivery>, Failure> {
        let limit = Deadline::after(POLL_FOR).or_earlier(deadline);
        loop {
            let arrival = self.arrivals.notified();
            let next = {
                let mut state = self.state();
                if state.away || strikes(&mut state.faults.failed_receives) {
                    return Err(away());
                }
                let delivered = state.deliver(BATCH_MAX, INVISIBLE_FOR);
                if !delivered.is_empty() || limit.has_passed() {
                    return Ok(delivered);
                }
                state.next_arrival()
            };
            let end = Moment::now() + limit.remaining();
            let wake = next.unwrap_or(end).min(end);
            tokio::select! {
                () = arrival => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn invisible_for(&self) -> Duration {
        INVISIBLE_FOR
    }

    async fn acknowledge(&self, delivery: &MemoryDelivery) -> Settled {
        tokio::task::yield_now().await;
        let mut state = self.state();
        if state.away || strikes(&mut state.faults.lost_acknowledgements) {
            return Settled::Unknown(away());
        }
        match state.delivered(delivery) {
            Some(message) => {
                message.acknowledged = true;
                Settled::Done
            }
            None => Settled::Refused("it was delivered again".into()),
        }
    }

    async fn retry_after(&self, delivery: &MemoryDelivery, delay: Duration) -> Settled {
        tokio::task::yield_now().await;
        let mut state = self.state();
        if state.away {
            return Settled::Unknown(away());
        }
        match state.delivered(delivery) {
            Some(message) => {
                message.visible_at = Moment::now() + delay;
                self.arrivals.notify_waiters();
                Settled::Done
            }
            None => Settled::Refused("it was delivered again".into()),
        }
    }
}

impl DeadLetterChannel for MemoryBroker {
    async fn announce(&self, letter: &DeadLetter) -> Settled {
        tokio::task::yield_now().await;
        let mut state = self.state();
        if state.away || strikes(&mut state.faults.failed_announcements) {
            return Settled::Unknown(away());
        }
        state.announced.push(letter.clone());
        Settled::Done
    }
}
