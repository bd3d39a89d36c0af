//! The record of transactions: half messages and their ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::ports::Clock;
use platform::clock::SystemClock;
use tokio::time::Instant;

use super::{Passage, Side};
use crate::remoting::{Frame, code, status};

/// `MessageSysFlag.TRANSACTION_COMMIT_TYPE`, as `END_TRANSACTION` carries it, and the flags that
/// follow it.
const COMMIT: i64 = 0x2 << 2;
const ROLLBACK: i64 = 0x3 << 2;

/// By this time a broker has asked about each half message that it stored and that has not ended,
/// if a checker is there: the local brokers ask after six seconds, and then every five.
const ASKED_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    Commit,
    Rollback,
    /// Not decided yet: the broker asks again.
    Unknown,
}

/// A half message that was sent.
#[derive(Debug, Clone)]
pub struct Half {
    /// When the proxy received it.
    pub at: Instant,
    /// The number of its connection.
    pub connection: u64,
    /// The number of the request on that connection.
    pub opaque: i32,
    /// The id that the client gave it (`UNIQ_KEY`).
    pub message_id: String,
    /// The attempt, if the message names one.
    pub transaction_id: Option<String>,
    /// The event, if the message names one.
    pub event_id: Option<String>,
    /// The key of the item of the aggregate that raised the event, if the message names one.
    pub aggregate: Option<String>,
    /// Whether the proxy passed it on to the broker.
    pub passed_on: bool,
    /// The code of the broker's answer, if it has answered.
    pub answer: Option<i32>,
}

impl Half {
    /// Whether the broker was too busy to begin with it, or its sender has no right to send it: then
    /// it is not stored.
    fn is_refused(&self) -> bool {
        matches!(self.answer, Some(status::SYSTEM_BUSY | status::NO_PERMISSION))
    }
}

/// A client's request to end a transaction, whether or not the proxy passed it on.
#[derive(Debug, Clone)]
pub struct End {
    pub at: Instant,
    /// [`End::at`] by the wall clock, with which brokers stamp messages, in milliseconds since
    /// 1970.
    pub at_ms: i64,
    pub connection: u64,
    /// The id that the client gave the half message.
    pub message_id: String,
    /// The attempt, if the half message passed this proxy and named one.
    pub transaction_id: Option<String>,
    pub resolution: Resolution,
    /// Whether it answers a check-back.
    pub from_check: bool,
    /// Whether the proxy passed it on to the broker, at least once.
    pub passed_on: bool,
    /// The code of the broker's answer, if it has answered; some requests never get an answer.
    pub answer: Option<i32>,
    /// The frame, as a base for forged requests.
    pub frame: Frame,
}

/// All half messages and ends that passed one or more proxies.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    halves: Vec<Half>,
    ends: Vec<End>,
    attempts: BTreeMap<String, String>,
    /// The half messages that the broker asked about.
    asked: BTreeSet<String>,
}

impl Journal {
    /// In the order of their arrival.
    #[must_use]
    pub fn halves(&self) -> Vec<Half> {
        self.entries().halves.clone()
    }

    /// In the order of their arrival.
    #[must_use]
    pub fn ends(&self) -> Vec<End> {
        self.entries().ends.clone()
    }

    #[must_use]
    pub fn ends_of(&self, transaction_id: &str) -> Vec<End> {
        let ends = self.ends().into_iter();
        ends.filter(|end| end.transaction_id.as_deref() == Some(transaction_id)).collect()
    }

    /// The half messages that the broker got and did not refuse, without a COMMIT or ROLLBACK that
    /// it got and did not refuse. What was passed on to a connection that broke may not have come
    /// to the broker: a half message that it neither answered nor asked about in time is not there.
    #[must_use]
    pub fn open(&self) -> Vec<Half> {
        let entries = self.entries();
        let ended: BTreeSet<&str> = entries
            .ends
            .iter()
            .filter(|end| end.passed_on && end.resolution != Resolution::Unknown)
            .filter(|end| end.answer.is_none_or(|answer| answer == status::SUCCESS))
            .map(|end| end.message_id.as_str())
            .collect();
        let may_be_stored = |half: &Half| {
            half.answer.is_some()
                || entries.asked.contains(&half.message_id)
                || half.at.elapsed() < ASKED_WITHIN
        };
        let open = |half: &&Half| {
            half.passed_on
                && !half.is_refused()
                && may_be_stored(half)
                && !ended.contains(half.message_id.as_str())
        };
        entries.halves.iter().filter(open).cloned().collect()
    }

    /// The transactions for which both COMMIT and ROLLBACK were sent. In a correct system the
    /// ROLLBACK was sent when the message was on the topic already.
    #[must_use]
    pub fn contradictions(&self) -> Vec<String> {
        let mut requested: BTreeMap<String, BTreeSet<Resolution>> = BTreeMap::new();
        for end in self.ends().into_iter().filter(|end| end.resolution != Resolution::Unknown) {
            let subject = end.transaction_id.unwrap_or(end.message_id);
            requested.entry(subject).or_default().insert(end.resolution);
        }
        let contradicted = requested.into_iter().filter(|(_, sent)| sent.len() > 1);
        contradicted.map(|(subject, _)| subject).collect()
    }

    pub(super) fn record(&self, passage: &Passage) {
        match (passage.from, passage.request) {
            (Side::Client, code::SEND_MESSAGE | code::SEND_MESSAGE_V2) => self.record_send(passage),
            (Side::Client, code::END_TRANSACTION) => self.record_end(passage),
            (Side::Server, code::SEND_MESSAGE | code::SEND_MESSAGE_V2 | code::END_TRANSACTION) => {
                self.record_answer(passage)
            }
            (Side::Server, code::CHECK_TRANSACTION_STATE) => {
                let message_id = passage.frame.field("msgId").unwrap_or_default();
                self.entries().asked.insert(message_id.to_owned());
            }
            _ => {}
        }
    }

    fn record_send(&self, passage: &Passage) {
        let properties = passage.frame.message_properties();
        let property = |name: &str| properties.get(name).cloned();
        let Some(message_id) = property("UNIQ_KEY") else { return };
        if property("TRAN_MSG").as_deref() != Some("true") {
            return;
        }
        let half = Half {
            at: Instant::now(),
            connection: passage.connection,
            opaque: passage.frame.opaque,
            message_id: message_id.clone(),
            transaction_id: property("transaction_id"),
            event_id: property("event_id"),
            aggregate: property("aggregate"),
            passed_on: false,
            answer: None,
        };
        let mut entries = self.entries();
        if let Some(attempt) = &half.transaction_id {
            entries.attempts.insert(message_id, attempt.clone());
        }
        entries.halves.push(half);
    }

    fn record_answer(&self, passage: &Passage) {
        let request = (passage.connection, passage.frame.opaque);
        let answer = Some(passage.frame.code);
        let mut entries = self.entries();
        if passage.request == code::END_TRANSACTION {
            let mut sent = entries.ends.iter_mut().rev();
            if let Some(end) = sent.find(|end| (end.connection, end.frame.opaque) == request) {
                end.answer = answer;
            }
        } else {
            let mut sent = entries.halves.iter_mut().rev();
            if let Some(half) = sent.find(|half| (half.connection, half.opaque) == request) {
                half.answer = answer;
            }
        }
    }

    fn record_end(&self, passage: &Passage) {
        let frame = &passage.frame;
        let message_id = frame.field("msgId").unwrap_or_default().to_owned();
        let resolution = match frame.field("commitOrRollback").and_then(|text| text.parse().ok()) {
            Some(COMMIT) => Resolution::Commit,
            Some(ROLLBACK) => Resolution::Rollback,
            _ => Resolution::Unknown,
        };
        let mut entries = self.entries();
        let transaction_id = entries.attempts.get(&message_id).cloned();
        entries.ends.push(End {
            at: Instant::now(),
            at_ms: SystemClock.now().as_millis(),
            connection: passage.connection,
            message_id,
            transaction_id,
            resolution,
            from_check: frame.field("fromTransactionCheck") == Some("true"),
            passed_on: false,
            answer: None,
            frame: frame.clone(),
        });
    }

    pub(super) fn record_passed_on(&self, passage: &Passage) {
        if passage.from != Side::Client || passage.frame.is_answer() {
            return;
        }
        let mut entries = self.entries();
        match passage.request {
            code::SEND_MESSAGE | code::SEND_MESSAGE_V2 => {
                let properties = passage.frame.message_properties();
                let id = properties.get("UNIQ_KEY");
                let mut sent = entries.halves.iter_mut().rev();
                if let Some(half) = sent.find(|half| Some(&half.message_id) == id) {
                    half.passed_on = true;
                }
            }
            code::END_TRANSACTION => {
                let mut sent = entries.ends.iter_mut().rev();
                let same = |end: &&mut End| {
                    end.connection == passage.connection && end.frame.opaque == passage.frame.opaque
                };
                if let Some(end) = sent.find(same) {
                    end.passed_on = true;
                }
            }
            _ => {}
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    /// The same request with another resolution, as a stale or mistaken client would send it.
    #[must_use]
    pub fn request_to(&self, resolution: Resolution) -> Frame {
        let value = match resolution {
            Resolution::Commit => COMMIT,
            Resolution::Rollback => ROLLBACK,
            Resolution::Unknown => 0,
        };
        let mut frame = self.frame.clone();
        frame.flag = 0;
        frame.fields.insert("commitOrRollback".to_owned(), value.to_string());
        frame.fields.insert("fromTransactionCheck".to_owned(), "false".to_owned());
        frame
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{ASKED_WITHIN, Journal, Passage, Resolution, Side};
    use crate::remoting::{Frame, code, status};

    fn passage(request: i32, fields: &[(&str, &str)]) -> Passage {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let frame = Frame::request(request, 1, fields.collect::<BTreeMap<_, _>>());
        Passage { from: Side::Client, connection: 1, request, frame }
    }

    /// A send request with a half message of the attempt `t`.
    fn half(id: &str) -> Passage {
        let properties =
            format!("TRAN_MSG\u{1}true\u{2}UNIQ_KEY\u{1}{id}\u{2}transaction_id\u{1}t");
        passage(code::SEND_MESSAGE_V2, &[("i", &properties)])
    }

    fn end(id: &str, how: &str) -> Passage {
        passage(code::END_TRANSACTION, &[("msgId", id), ("commitOrRollback", how)])
    }

    fn answer(request: &Passage, code: i32) -> Passage {
        let frame = request.frame.answer(code, "an answer");
        Passage { from: Side::Server, frame, ..request.clone() }
    }

    #[test]
    fn a_half_message_that_the_broker_has_refused_is_not_open() {
        let journal = Journal::default();
        let sent = half("A");
        journal.record(&sent);
        assert!(journal.open().is_empty());
        journal.record_passed_on(&sent);
        journal.record(&answer(&sent, status::FLUSH_DISK_TIMEOUT));
        assert_eq!(journal.open().len(), 1);
        for refused in [status::SYSTEM_BUSY, status::NO_PERMISSION] {
            journal.record(&answer(&sent, refused));
            assert!(journal.open().is_empty());
        }
    }

    #[test]
    fn an_end_that_the_broker_refuses_ends_nothing() {
        let journal = Journal::default();
        let sent = half("A");
        journal.record(&sent);
        journal.record_passed_on(&sent);
        let open_after = |how, code| {
            let request = end("A", how);
            journal.record(&request);
            journal.record_passed_on(&request);
            journal.record(&answer(&request, code));
            journal.open().len()
        };
        assert_eq!(open_after("8", status::SYSTEM_BUSY), 1);
        assert_eq!(open_after("0", status::SUCCESS), 1);
        assert_eq!(open_after("8", status::SUCCESS), 0);
    }

    #[test]
    fn a_commit_and_a_rollback_of_one_attempt_contradict_each_other() {
        let journal = Journal::default();
        // Two half messages of one attempt: the second is the sweep's.
        for id in ["A", "B"] {
            journal.record(&half(id));
        }
        journal.record(&end("A", "8"));
        journal.record(&end("A", "0"));
        journal.record(&end("A", "8"));
        assert!(journal.contradictions().is_empty());
        journal.record(&end("B", "12"));
        assert_eq!(journal.contradictions(), ["t"]);
        let ends = journal.ends_of("t");
        let resolutions: Vec<_> = ends.iter().map(|end| end.resolution).collect();
        let (commit, rollback) = (Resolution::Commit, Resolution::Rollback);
        assert_eq!(resolutions, [commit, Resolution::Unknown, commit, rollback]);
        let forged = ends[3].request_to(Resolution::Commit);
        assert_eq!(forged.field("commitOrRollback"), Some("8"));
    }

    /// What a connection that breaks takes along is neither answered nor asked about.
    #[tokio::test(start_paused = true)]
    async fn a_half_message_that_did_not_come_to_the_broker_is_not_open_for_ever() {
        let journal = Journal::default();
        for (number, id) in (1..).zip(["answered", "asked", "lost"]) {
            let mut sent = half(id);
            sent.frame.opaque = number;
            journal.record(&sent);
            journal.record_passed_on(&sent);
            if id == "answered" {
                journal.record(&answer(&sent, status::SUCCESS));
            }
        }
        let check = passage(code::CHECK_TRANSACTION_STATE, &[("msgId", "asked")]);
        journal.record(&Passage { from: Side::Server, ..check });
        assert_eq!(journal.open().len(), 3);
        tokio::time::advance(ASKED_WITHIN).await;
        let open: Vec<_> = journal.open().into_iter().map(|half| half.message_id).collect();
        assert_eq!(open, ["answered", "asked"]);
    }
}
