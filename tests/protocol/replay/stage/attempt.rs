//! An attempt, and what is on the wire about it.

use application::create_order::{CreateOrderError, OrderTaken};
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{EndError, PlacementCancelled, Resolution};
use domain::identity::TransactionId;
use testkit::broker::MemoryReceipt;
use testkit::clock::ManualClock;

use super::MUCH_LATER;
use crate::replay::process::Process;
use crate::replay::wire::{Call, OwnedPlacement, Reply};
use crate::state::Answer;

/// Takes a try's answer back.
pub(crate) type TryReply = Reply<WriteTry<PlacementCancelled>>;

/// Takes an end's answer back.
pub(crate) type EndReply = Reply<Result<(), EndError>>;

/// An attempt, and what is on the wire about it.
#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) transaction_id: Option<TransactionId>,
    /// Where its half message is stored.
    pub(crate) half: Option<MemoryReceipt>,
    /// Whether the broker gave its half message up.
    pub(crate) discarded: bool,
    /// What it belongs to, until that is over.
    pub(crate) request: Option<Request>,
    /// The try of its local transaction that its request is about.
    current: Option<Try>,
    /// Tries that arrive later, if ever.
    pub(crate) late_tries: Vec<OwnedPlacement>,
    /// The end that its request is about to send.
    pub(crate) to_end: Option<(Resolution, EndReply)>,
    /// Ends on their way to the broker.
    pub(crate) ends: Vec<EndOnItsWay>,
    /// What the client was told.
    pub(crate) answer: Option<Answer>,
}

/// A request that is being served.
pub(crate) struct Request {
    pub(crate) process: Process<Result<OrderTaken, CreateOrderError>, Call>,
    pub(crate) clock: ManualClock,
}

/// A try of a local transaction, and the process that waits for its answer.
struct Try {
    placement: Box<OwnedPlacement>,
    reply: TryReply,
    place: Place,
}

/// Where a try is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Still in its process.
    AtItsProcess,
    /// On the wire.
    UnderWay,
    /// Out of its process's sight.
    OutOfSight,
}

/// An end that may arrive.
pub(crate) struct EndOnItsWay {
    pub(crate) resolution: Resolution,
    /// To whom waits for the answer.
    pub(crate) reply: Option<EndReply>,
}

impl Attempt {
    /// Its request is about to send a try.
    pub(crate) fn is_about_to_send(&mut self, placement: Box<OwnedPlacement>, reply: TryReply) {
        self.current = Some(Try { placement, reply, place: Place::AtItsProcess });
    }

    /// The try leaves its process.
    pub(crate) fn send_try(&mut self) -> &OwnedPlacement {
        let sent = self.current.as_mut().expect("its request is about to send a try");
        assert_eq!(sent.place, Place::AtItsProcess);
        sent.place = Place::UnderWay;
        &sent.placement
    }

    /// The try arrives: what it says, and where the answer goes.
    pub(crate) fn take_try(&mut self) -> (Box<OwnedPlacement>, TryReply) {
        let sent = self.current.take().expect("a try is under way");
        assert_eq!(sent.place, Place::UnderWay);
        (sent.placement, sent.reply)
    }

    /// The process will hear nothing of the try.
    pub(crate) fn lose_try(&mut self) -> Box<OwnedPlacement> {
        let sent = self.current.as_mut().expect("a try is under way");
        assert_eq!(sent.place, Place::UnderWay);
        sent.place = Place::OutOfSight;
        sent.placement.clone()
    }

    /// The process stops waiting for the try, which may arrive later.
    pub(crate) fn delay_try(&mut self) {
        let late = self.lose_try();
        self.late_tries.push(*late);
    }

    /// The process learns that it will hear nothing of the try.
    pub(crate) fn doubt_try(&mut self) -> Box<OwnedPlacement> {
        let lost = self.current.take().expect("a try is out of sight");
        assert_eq!(lost.place, Place::OutOfSight);
        let silence = Failure::new(FailureClass::Unavailable, "there was no answer");
        drop(lost.reply.send(WriteTry::Unknown(silence)));
        lost.placement
    }

    /// The transaction that its request is about to try.
    pub(crate) fn transaction_of_try(&self) -> Option<TransactionId> {
        self.current.as_ref().map(|sent| sent.placement.transaction_id())
    }

    /// Its process's time is over, by its wall clock.
    pub(crate) fn let_time_pass(&self) {
        self.request.as_ref().expect("its request is alive").clock.advance(MUCH_LATER);
    }

    /// Its process dies. A client that hears nothing knows as much as one that hears that it is
    /// open.
    pub(crate) fn crash(&mut self) {
        self.request = None;
        self.to_end = None;
        let left = self.current.take().filter(|sent| sent.place == Place::UnderWay);
        self.late_tries.extend(left.map(|sent| *sent.placement));
        self.answer = Some(Answer::Open);
    }

    /// The first end of that kind that is under way.
    pub(crate) fn take_end(&mut self, resolution: Resolution) -> Option<EndOnItsWay> {
        let at = self.ends.iter().position(|end| end.resolution == resolution)?;
        Some(self.ends.remove(at))
    }

    /// Whether its client will be told something as soon as the broker has answered, or not.
    pub(crate) fn awaits_its_end(&self) -> bool {
        self.ends.iter().any(|end| end.reply.is_some())
    }
}
