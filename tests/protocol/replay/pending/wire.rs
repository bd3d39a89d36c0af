//! The calls that leave a process while events are handled. Writes, messages and acknowledgements
//! are held; reads are answered immediately.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{EventHandler, HandlerError, IncomingEvent};
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::pending::{AggregateChange, Found, OrderChange, PendingEventStore};
use application::ports::stock::{ReservationCancelled, Reservations, Taking};
use application::ports::{
    Delivery, EndError, EventSubscription, HalfMessage, MessageId, PrepareError, Resolution,
    TransactionalPublisher, UnreadableBody,
};
use contracts::message;
use domain::aggregate::AggregateKey;
use futures::FutureExt;
use futures::future::BoxFuture;
use testkit::tables::MemoryTables;
use tokio::sync::mpsc;

use super::change::OwnedChange;
use crate::replay::half::OwnedHalf;
use crate::replay::line::{Line, Reply};

pub(crate) enum Call {
    /// [`Reservations::reserve`]
    Reserve(Vec<OwnedChange>, Taking, Reply<WriteTry<ReservationCancelled>>),
    /// [`PendingEventStore::change`]
    Change(Box<OwnedChange>, Reply<WriteTry<Found>>),
    /// The effect elsewhere, with its mark.
    Act(Reply<Acted>),
    /// [`TransactionalPublisher::prepare`]
    Prepare(Box<OwnedHalf>, Reply<Result<(), PrepareError>>),
    /// [`TransactionalPublisher::end`], always with a COMMIT.
    Commit(Reply<Result<(), EndError>>),
    /// [`EventSubscription::acknowledge`]
    Acknowledge(Reply<WriteTry<Infallible>>),
}

/// The answer to the handler with an effect elsewhere.
pub(crate) enum Acted {
    /// The effect exists, from this call or an earlier one, or its event has ended.
    Done,
    Lost,
    Failed,
}

/// A process's end of the wire.
#[derive(Clone)]
pub(crate) struct Wire {
    line: Line<Call>,
    tables: MemoryTables,
}

impl Wire {
    /// Also returns the end at which calls are held.
    pub(crate) fn new(tables: MemoryTables) -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (line, held) = Line::new();
        (Self { line, tables }, held)
    }
}

impl PendingEventStore for Wire {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        PendingEventStore::find(&self.tables, key).await
    }

    async fn change(&self, change: &AggregateChange<'_>, _deadline: Deadline) -> WriteTry<Found> {
        let AggregateChange::Order(change) = change else { panic!("only orders change here") };
        let change = Box::new(OwnedChange::of(change));
        self.line.call(|reply| Call::Change(change, reply)).await
    }
}

impl Reservations for Wire {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        _deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let (changes, take) = (changes.iter().map(OwnedChange::of).collect(), take.clone());
        self.line.call(|reply| Call::Reserve(changes, take, reply)).await
    }
}

impl TransactionalPublisher for Wire {
    type Receipt = ();

    async fn prepare(
        &self,
        half: &HalfMessage<'_>,
        _deadline: Deadline,
    ) -> Result<(), PrepareError> {
        assert!(half.is_recorded, "a follow-up is published from the stored order");
        let half = Box::new(OwnedHalf::of(half));
        self.line.call(|reply| Call::Prepare(half, reply)).await
    }

    async fn end(
        &self,
        _receipt: &(),
        resolution: Resolution,
        _deadline: Deadline,
    ) -> Result<(), EndError> {
        assert_eq!(
            resolution,
            Resolution::Commit,
            "the half message of a stored event is never rolled back"
        );
        self.line.call(Call::Commit).await
    }
}

/// One copy of a message, which is delivered once.
pub(crate) struct OneCopy {
    wire: Wire,
    copy: Mutex<Option<Copy>>,
}

pub(crate) struct Copy {
    message_id: MessageId,
    body: Vec<u8>,
    properties: HashMap<&'static str, String>,
}

impl OneCopy {
    pub(crate) fn of(half: &OwnedHalf, wire: Wire) -> Self {
        let aggregate = half.message.aggregate.expect("an order of ours");
        let properties = HashMap::from([
            (message::EVENT_ID, half.message.event_id.to_string()),
            (message::TRANSACTION_ID, half.transaction_id.to_string()),
            (message::AGGREGATE, aggregate.to_string()),
        ]);
        let message_id = MessageId::of("MESSAGE0000");
        let copy = Copy { message_id, body: half.message.body.clone().into_bytes(), properties };
        Self { wire, copy: Mutex::new(Some(copy)) }
    }
}

impl Delivery for Copy {
    fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    fn body(&self) -> Result<&[u8], &UnreadableBody> {
        Ok(&self.body)
    }

    fn raw_body(&self) -> &[u8] {
        &self.body
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    fn redeliveries(&self) -> u32 {
        0
    }
}

impl EventSubscription for OneCopy {
    type Delivery = Copy;

    async fn receive(&self, _most: usize, deadline: Deadline) -> Result<Vec<Copy>, Failure> {
        // There is no second request.
        tokio::time::sleep(deadline.remaining()).await;
        Ok(self.copy.lock().unwrap().take().into_iter().collect())
    }

    async fn acknowledge(&self, _delivery: &Copy) -> WriteTry<Infallible> {
        self.wire.line.call(Call::Acknowledge).await
    }

    async fn retry_after(&self, _delivery: &Copy, _delay: Duration) -> WriteTry<Infallible> {
        WriteTry::Done
    }
}

pub(crate) struct Elsewhere(pub(crate) Wire);

/// The name of its mark.
pub(crate) const ELSEWHERE: &str = "elsewhere";

impl EventHandler for Elsewhere {
    fn name(&self) -> &'static str {
        ELSEWHERE
    }

    fn handle<'a>(
        &'a self,
        _incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async {
            loop {
                match self.0.line.call(Call::Act).await {
                    Acted::Done => return Ok(()),
                    Acted::Lost => {}
                    Acted::Failed => {
                        let class = FailureClass::Permanent;
                        return Err(Failure::new(class, "it can't be done").into());
                    }
                }
            }
        }
        .boxed()
    }
}
