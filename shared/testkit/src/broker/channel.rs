use std::convert::Infallible;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{
    DeadLetter, DeadLetterChannel, EndError, EventSubscription, GroupPosition, HalfMessage,
    PrepareError, PublishedEvents, Resolution, Topic, TransactionalPublisher,
};
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;
use tokio::time::Instant as Moment;

use super::{MemoryBroker, MemoryDelivery, MemoryReceipt, away, wait_in_vain};
use crate::fault::BrokerFault;

/// How long a received message is hidden from other receivers, as with the real broker.
const INVISIBLE_FOR: Duration = Duration::from_secs(30);

const POLL_FOR: Duration = Duration::from_millis(1500);

const BATCH_MAX: usize = 32;

impl TransactionalPublisher for MemoryBroker {
    type Receipt = MemoryReceipt;

    async fn prepare(
        &self,
        half: &HalfMessage<'_>,
        deadline: Deadline,
    ) -> Result<MemoryReceipt, PrepareError> {
        self.travel().await;
        let stored = {
            let mut state = self.state();
            if state.away || state.strikes(BrokerFault::PrepareFails) {
                return Err(PrepareError::Failed(away()));
            }
            let receipt = state.store(half);
            if state.strikes(BrokerFault::PrepareDoubtful) {
                return Err(PrepareError::Doubtful("FLUSH_DISK_TIMEOUT".to_owned()));
            }
            if state.strikes(BrokerFault::PrepareReplyLost) { Err(()) } else { Ok(receipt) }
        };
        if let Ok(receipt) = stored {
            self.travel().await;
            if !deadline.has_passed() {
                return Ok(receipt);
            }
        }
        wait_in_vain(deadline).await;
        let lost = "the answer was lost, or came too late";
        Err(PrepareError::Failed(Failure::new(FailureClass::Unavailable, lost)))
    }

    async fn end(
        &self,
        receipt: &MemoryReceipt,
        resolution: Resolution,
        deadline: Deadline,
    ) -> Result<(), EndError> {
        self.travel().await;
        let (arrivals, answered) = {
            let mut state = self.state();
            if state.strikes(BrokerFault::EndRefused) {
                let cause = "the half message is too old";
                return Err(EndError::Refused(Failure::new(FailureClass::Permanent, cause)));
            }
            let arrives = !state.away && !state.strikes(BrokerFault::EndLost);
            if arrives && state.strikes(BrokerFault::EndLate) {
                state.late_ends.push((receipt.0, resolution));
                (0, false)
            } else {
                let times =
                    usize::from(arrives) + usize::from(state.strikes(BrokerFault::EndDoubled));
                (
                    if arrives { times } else { 0 },
                    arrives && !state.strikes(BrokerFault::EndReplyLost),
                )
            }
        };
        for _ in 0..arrivals {
            self.settle(receipt.0, resolution);
        }
        self.travel().await;
        if answered && !deadline.has_passed() {
            return Ok(());
        }
        wait_in_vain(deadline).await;
        Err(EndError::Unknown(away()))
    }
}

impl PublishedEvents for MemoryBroker {
    async fn answers(&self, _topic: Topic, _deadline: Deadline) -> bool {
        self.travel().await;
        !self.state().away
    }

    async fn is_published(
        &self,
        _topic: Topic,
        event_id: EventId,
        transaction_id: TransactionId,
        _deadline: Deadline,
    ) -> Result<bool, Failure> {
        self.travel().await;
        let mut state = self.state();
        if state.away || state.strikes(BrokerFault::LookupFails) {
            return Err(away());
        }
        let is_there = state.holds(event_id, transaction_id);
        Ok(is_there && !state.strikes(BrokerFault::LookupMisses))
    }
}

impl GroupPosition for MemoryBroker {
    async fn has_passed(
        &self,
        _topic: Topic,
        at: Timestamp,
        _deadline: Deadline,
    ) -> Result<bool, Failure> {
        self.travel().await;
        let mut state = self.state();
        if state.away || state.strikes(BrokerFault::LookupFails) {
            return Err(away());
        }
        Ok(state.has_delivered_all_up_to(at))
    }
}

impl EventSubscription for MemoryBroker {
    type Delivery = MemoryDelivery;

    async fn receive(
        &self,
        most: usize,
        deadline: Deadline,
    ) -> Result<Vec<MemoryDelivery>, Failure> {
        let limit = Deadline::after(POLL_FOR).or_earlier(deadline);
        loop {
            let arrival = self.arrivals.notified();
            let next = {
                let mut state = self.state();
                if state.away || state.strikes(BrokerFault::ReceiveFails) {
                    return Err(away());
                }
                let delivered = state.deliver(most.min(BATCH_MAX), INVISIBLE_FOR);
                if !delivered.is_empty() || limit.has_passed() {
                    return Ok(delivered);
                }
                state.next_arrival()
            };
            let end = Moment::now() + limit.remaining();
            let wake = next.unwrap_or(end).min(end);
            tokio::select! {
                biased;
                () = arrival => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    async fn acknowledge(&self, delivery: &MemoryDelivery) -> WriteTry<Infallible> {
        self.travel().await;
        let mut state = self.state();
        if state.away || state.strikes(BrokerFault::AcknowledgementLost) {
            return WriteTry::Unknown(away());
        }
        match state.delivered(delivery) {
            Some(message) => {
                message.acknowledged = true;
                WriteTry::Done
            }
            None => WriteTry::NotBegun(delivered_again()),
        }
    }

    async fn retry_after(
        &self,
        delivery: &MemoryDelivery,
        delay: Duration,
    ) -> WriteTry<Infallible> {
        self.travel().await;
        let mut state = self.state();
        if state.away {
            return WriteTry::Unknown(away());
        }
        match state.delivered(delivery) {
            Some(message) => {
                message.visible_at = Moment::now() + delay;
                self.arrivals.notify_waiters();
                WriteTry::Done
            }
            None => WriteTry::NotBegun(delivered_again()),
        }
    }
}

impl DeadLetterChannel for MemoryBroker {
    async fn announce(&self, letter: &DeadLetter) -> WriteTry<Infallible> {
        self.travel().await;
        let mut state = self.state();
        if state.away || state.strikes(BrokerFault::AnnouncementFails) {
            return WriteTry::Unknown(away());
        }
        state.announced.push(letter.clone());
        WriteTry::Done
    }
}

fn delivered_again() -> Failure {
    Failure::new(FailureClass::Permanent, "it was delivered again")
}
