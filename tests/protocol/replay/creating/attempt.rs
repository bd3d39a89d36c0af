//! An attempt, and its calls on the wire.

use application::orders::create::{CreateOrderError, OrderReply};
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{CheckAnswer, EndError, PrepareError, Resolution};
use domain::identity::TransactionId;
use domain::order::{AtKey, NewOrder};
use testkit::broker::MemoryReceipt;
use testkit::clock::ManualClock;

use crate::creating::state::Answer;
use crate::replay::creating::stage::MUCH_LATER;
use crate::replay::creating::wire::{Call, Fence};
use crate::replay::line::Reply;
use crate::replay::process::Process;

/// Returns a half message's answer to its caller.
pub(crate) type HalfReply = Reply<Result<MemoryReceipt, PrepareError>>;

pub(crate) type PutReply = Reply<WriteTry<AtKey>>;

pub(crate) type EndReply = Reply<Result<(), EndError>>;

#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) transaction_id: Option<TransactionId>,
    pub(crate) half: Option<MemoryReceipt>,
    pub(crate) discarded: bool,
    /// Until the request ends or continues with another attempt.
    pub(crate) request: Option<Request>,
    /// The reply that its request waits for, if its half message is abandoned.
    pub(crate) abandoned: Option<HalfReply>,
    /// The put that its request is making.
    current: Option<Put>,
    pub(crate) late_puts: Vec<NewOrder>,
    /// The end that its request is about to send.
    pub(crate) to_end: Option<(Resolution, EndReply)>,
    pub(crate) ends: Vec<EndOnItsWay>,
    /// Checkers that are about to fence it.
    pub(crate) checkers: Vec<Checker>,
    pub(crate) answer: Option<Answer>,
}

pub(crate) struct Request {
    pub(crate) process: Process<Result<OrderReply, CreateOrderError>, Call>,
    pub(crate) clock: ManualClock,
}

/// A put, and the process that waits for its answer.
struct Put {
    new: Box<NewOrder>,
    reply: PutReply,
    place: Place,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Still in its process.
    AtItsProcess,
    /// On the wire.
    UnderWay,
    /// Its process will get no answer.
    OutOfSight,
}

pub(crate) struct EndOnItsWay {
    pub(crate) resolution: Resolution,
    /// To the process, if it waits for the answer.
    pub(crate) reply: Option<EndReply>,
}

/// A checker between its read and its fence.
pub(crate) struct Checker {
    pub(crate) process: Process<CheckAnswer, Call>,
    pub(crate) fence: Fence,
    pub(crate) reply: Reply<WriteTry<()>>,
}

impl Attempt {
    /// Records that its request is about to send a put.
    pub(crate) fn is_about_to_send(&mut self, new: Box<NewOrder>, reply: PutReply) {
        self.current = Some(Put { new, reply, place: Place::AtItsProcess });
    }

    pub(crate) fn send_put(&mut self) -> &NewOrder {
        let sent = self.current.as_mut().expect("its request is about to send a put");
        assert_eq!(sent.place, Place::AtItsProcess);
        sent.place = Place::UnderWay;
        &sent.new
    }

    /// Returns the order that the put stores, and the reply to its process.
    pub(crate) fn take_put(&mut self) -> (Box<NewOrder>, PutReply) {
        let sent = self.current.take().expect("a put is under way");
        assert_eq!(sent.place, Place::UnderWay);
        (sent.new, sent.reply)
    }

    /// Its process will get no answer.
    pub(crate) fn lose_put(&mut self) -> NewOrder {
        let sent = self.current.as_mut().expect("a put is under way");
        assert_eq!(sent.place, Place::UnderWay);
        sent.place = Place::OutOfSight;
        sent.new.as_ref().clone()
    }

    /// Its process stops waiting; the put may arrive later.
    pub(crate) fn delay_put(&mut self) {
        let late = self.lose_put();
        self.late_puts.push(late);
    }

    /// Its process learns that there is no answer.
    pub(crate) fn doubt_put(&mut self) -> Box<NewOrder> {
        let lost = self.current.take().expect("a put is out of sight");
        assert_eq!(lost.place, Place::OutOfSight);
        let silence = Failure::new(FailureClass::Unavailable, "there was no answer");
        drop(lost.reply.send(WriteTry::Unknown(silence)));
        lost.new
    }

    /// Of the put that its request is making.
    pub(crate) fn transaction_of_put(&self) -> Option<TransactionId> {
        self.current.as_ref().map(|sent| sent.new.attempt())
    }

    /// Moves its process's wall clock past every deadline.
    pub(crate) fn let_time_pass(&self) {
        self.request.as_ref().expect("its request is alive").clock.advance(MUCH_LATER);
    }

    /// Its process dies. A client without an answer knows as much as one whose answer says that the
    /// outcome is unknown.
    pub(crate) fn crash(&mut self) {
        self.request = None;
        self.to_end = None;
        let left = self.current.take().filter(|sent| sent.place == Place::UnderWay);
        self.late_puts.extend(left.map(|sent| *sent.new));
        self.answer = Some(Answer::Unknown);
    }

    /// The first one of that kind that is under way.
    pub(crate) fn take_end(&mut self, resolution: Resolution) -> Option<EndOnItsWay> {
        let at = self.ends.iter().position(|end| end.resolution == resolution)?;
        Some(self.ends.remove(at))
    }

    /// Whether its client gets an answer only after the broker's.
    pub(crate) fn awaits_its_end(&self) -> bool {
        self.ends.iter().any(|end| end.reply.is_some())
    }
}
