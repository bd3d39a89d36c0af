//! The catalogue of faults, row by row.
//!
//! Each row is a function that the short test and the long run both call. It starts systems of its
//! own, makes its fault happen, asserts that it did, judges, and returns its figures.

mod ambiguous_commit;
mod backlog;
mod broker;
mod cancelled;
mod checker;
mod consumer;
mod crash;
mod crowded;
mod dead_letter;
mod discarded;
mod doubtful;
mod duplicates;
mod end;
mod first_requests;
mod flood;
mod freeze;
mod full_disk;
mod inflating;
mod lambda;
mod lost_disk;
mod maintenance;
mod message_index;
mod mix;
mod multiplied;
mod name_server;
mod newer;
mod poison;
mod rebalance;
mod replicas;
mod secured;
mod skew;
mod stale_commit;
mod stalled;
mod table;
mod thaw;
mod throttling;
mod torn;
mod two_brokers;
mod user_topic;
mod watched;
mod window;

use std::pin::Pin;

use harness::broker::{BrokerTuning, Replication};

use crate::cluster::Cluster;
use crate::figures::Figures;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Once or twice, for a test.
    Short,
    /// Often, for a long run, which also repeats the row.
    Long,
}

#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// Rows share it.
    pub cluster: &'a Cluster,
    pub effort: Effort,
    pub seed: u64,
}

impl Bench<'_> {
    /// For this row alone. Its systems keep their tables where those of the shared cluster do.
    ///
    /// # Errors
    /// The same as of [`Cluster::own`].
    pub async fn own_cluster(&self, tuning: BrokerTuning) -> anyhow::Result<Cluster> {
        Ok(Cluster::own(tuning).await?.with_table_of(self.cluster))
    }

    /// Like [`Bench::own_cluster`], with a replica of the broker.
    ///
    /// # Errors
    /// The same as of [`Cluster::own_replicated`].
    pub async fn own_replicated_cluster(
        &self,
        tuning: BrokerTuning,
        replication: Replication,
    ) -> anyhow::Result<Cluster> {
        let cluster = Cluster::own_replicated(tuning, replication).await?;
        Ok(cluster.with_table_of(self.cluster))
    }

    /// Like [`Bench::own_cluster`], and requires TLS and signed requests.
    ///
    /// # Errors
    /// The same as of [`Cluster::own_secured`].
    pub async fn own_secured_cluster(&self, tuning: BrokerTuning) -> anyhow::Result<Cluster> {
        Ok(Cluster::own_secured(tuning).await?.with_table_of(self.cluster))
    }

    #[must_use]
    pub fn either<T>(&self, short: T, long: T) -> T {
        match self.effort {
            Effort::Short => short,
            Effort::Long => long,
        }
    }
}

pub type Running<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Figures>> + 'a>>;

/// How much of the machine a row uses while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It runs beside others, on the cluster that they share.
    Place,
    /// A cluster of its own beside the others. In a long run only one such row runs at a time.
    Cluster,
    /// The whole machine, with or without its own cluster: the row creates orders as fast as it
    /// can, and rows beside each other would distort each other's times.
    Machine,
}

#[derive(Clone, Copy)]
pub struct Row {
    /// Such as `P5`.
    pub id: &'static str,
    pub title: &'static str,
    /// The result that the row asserts.
    pub proves: &'static str,
    pub claim: Claim,
    /// Whether it leaves thousands of events to be handled, so that no bound applies to the time
    /// until the system is at rest again.
    pub leaves_backlog: bool,
    pub run: for<'a> fn(Bench<'a>) -> Running<'a>,
}

/// By default a row claims a place, and leaves no backlog.
macro_rules! row {
    ($id:literal, $title:literal, $proves:literal, $run:path) => {
        Row {
            id: $id,
            title: $title,
            proves: $proves,
            claim: Claim::Place,
            leaves_backlog: false,
            run: |bench| Box::pin($run(bench)),
        }
    };
    ($id:literal, $title:literal, $proves:literal, $run:path, claims $claim:ident) => {
        Row { claim: Claim::$claim, ..row!($id, $title, $proves, $run) }
    };
    ($id:literal, $title:literal, $proves:literal, $run:path, claims $claim:ident, leaves a backlog) => {
        Row { leaves_backlog: true, ..row!($id, $title, $proves, $run, claims $claim) }
    };
}

/// All rows, in the order of the catalogue.
pub const ROWS: &[Row] = &[
    row!(
        "P1",
        "create-order dies before its half message is acknowledged",
        "the half message is rolled back, and there is no order",
        crash::half_unacknowledged
    ),
    row!(
        "P2",
        "create-order dies between half message and local transaction",
        "a fence, a rollback, and no order",
        crash::transaction_unseen
    ),
    row!(
        "P3",
        "the local transaction lands after the fence",
        "the fence cancels it",
        crash::transaction_late
    ),
    row!(
        "P4",
        "the local transaction is stored, and its answer lost",
        "one order, committed by its check-back; a retry returns it",
        ambiguous_commit::run
    ),
    row!(
        "P5",
        "create-order dies between local transaction and end",
        "the check-back commits",
        crash::end_unseen
    ),
    row!(
        "P6",
        "the end is lost, unanswered, late or doubled",
        "the event is published at least once, and has its effect once",
        end::run
    ),
    row!(
        "P7",
        "a producer wakes up after its attempt was rolled back",
        "no COMMIT follows the ROLLBACK",
        stale_commit::run
    ),
    row!(
        "P8",
        "create-order is frozen in each window",
        "the attempt is committed or fenced, and the answer is true",
        freeze::run
    ),
    row!(
        "P9",
        "no checker lives until the broker discards the half message",
        "the sweep sends the event",
        discarded::run,
        claims Cluster
    ),
    row!(
        "P10",
        "two checkers are asked at once, while the transaction is under way",
        "one fate of the attempt, one resolution",
        checker::asked_twice
    ),
    row!(
        "P11",
        "the checker dies after its fence and before its answer",
        "the next check-back answers ROLLBACK",
        checker::dies_after_fence
    ),
    row!(
        "T1",
        "the table throttles a tenth, half and all of the calls",
        "bounded retries, then 503 with Retry-After",
        throttling::run,
        claims Machine
    ),
    row!(
        "T2",
        "many clients with one key, and writes that conflict",
        "one order",
        throttling::one_hot_key
    ),
    row!(
        "T3",
        "the table is down, slow, failing, resetting or slow to speak",
        "201 or 503 before the time-out, and no process is lost",
        table::run
    ),
    row!(
        "T4",
        "more events than any single read returns",
        "every page is read, and every event published",
        backlog::run,
        claims Machine, leaves a backlog
    ),
    row!(
        "B1",
        "the broker is away when an order comes",
        "the order is created and published later, or refused where that is switched off; a cancel \
         is done at once",
        broker::away,
        claims Cluster
    ),
    row!(
        "B2",
        "the broker dies under load, again and again",
        "no order is lost or invented",
        broker::dies_under_load,
        claims Machine, leaves a backlog
    ),
    row!(
        "B3",
        "the broker dies within 3 s of commits",
        "copies perhaps, each effect once",
        broker::dies_after_commits,
        claims Cluster
    ),
    row!(
        "B5",
        "the name server is down",
        "a known route serves on; a cold start fails fast",
        name_server::run,
        claims Cluster
    ),
    row!(
        "B6",
        "the broker does not vouch for a half message",
        "it is abandoned, and the sweep sends the event once",
        doubtful::run
    ),
    row!(
        "B7",
        "the broker is killed between rounds of questions that nobody answers",
        "it asks about many copies of each half message, of which one is committed",
        multiplied::run,
        claims Cluster
    ),
    row!(
        "C1",
        "event-consumer dies before, after and amid its calls",
        "the event comes again, and has its effect once",
        consumer::dies
    ),
    row!(
        "C2",
        "events come twice and ten times, late and in any order",
        "each has its effect once, and an order shows them in their order",
        duplicates::run
    ),
    row!(
        "C3",
        "messages that nobody can read",
        "each is a letter that a command can name, those of newer code wait, no neighbour is harmed",
        poison::run
    ),
    row!(
        "C4",
        "a handler is throttled at each of sixteen deliveries",
        "a dead letter, whose redrive has the missing effect alone",
        dead_letter::run
    ),
    row!(
        "C5",
        "consumers come, go and die under load",
        "each event has its effect once",
        rebalance::run,
        claims Machine
    ),
    row!(
        "C6",
        "users cancel as their orders are reserved, and consumers and answers are lost",
        "each cancel is true, and gives the stock back once",
        cancelled::run,
        claims Machine
    ),
    row!(
        "F1",
        "bodies that cannot be inflated, or to more than anybody reads",
        "a dead letter each, at once; their neighbours are handled in their first delivery",
        inflating::unreadable
    ),
    row!(
        "F2",
        "bodies of 1 MiB that inflate to hundreds, for the consumer and in check-backs",
        "nobody inflates them, on our topics or on others'",
        inflating::bombs
    ),
    row!(
        "F3",
        "4 MiB of JSON that is small text and large values; 2 MiB in one name",
        "a dead letter each, without being parsed, and short log lines",
        inflating::long
    ),
    row!(
        "F4",
        "bodies that no broker takes back: 5 MiB once inflated, and nothing",
        "a dead letter each in one delivery, announced or not",
        inflating::not_taken_back
    ),
    row!(
        "F5",
        "events that newer code raised",
        "they come again and are no dead letters; a message of an event that has ended is done",
        newer::run
    ),
    row!(
        "F6",
        "a flood of bodies that nobody can read, as many as orders",
        "a dead letter each; the orders take at most twice as long",
        flood::run,
        claims Machine
    ),
    row!(
        "F7",
        "long messages with the keys of events that wait",
        "the sweep finds events behind them, and makes no copy",
        crowded::run
    ),
    row!(
        "K1",
        "functions whose clocks are off, from 0.4 s to an hour, both ways",
        "events are consumed at the usual pace, and nobody spins",
        skew::run,
        claims Machine
    ),
    row!(
        "N1",
        "of two name servers, the first is silent or refuses",
        "the other is used at once",
        name_server::one_of_two,
        claims Machine
    ),
    row!(
        "G1",
        "of two brokers, one is dead or does not answer",
        "the other's events are handled at their pace",
        two_brokers::run,
        claims Cluster
    ),
    row!(
        "G2",
        "a broker's master dies, and its replica stays one",
        "what the replica holds is found there, and not sent again; orders go on",
        replicas::stays,
        claims Cluster
    ),
    row!(
        "G3",
        "a broker's disk is lost",
        "pending events come again, and a replay brings the rest",
        lost_disk::run,
        claims Cluster
    ),
    row!(
        "G4",
        "a power cut takes what the broker has not flushed",
        "what it takes comes again: for our handlers by the sweep, after its patience if their \
         group has passed it, or at once by an operator; for others by a replay",
        lost_disk::power_cut,
        claims Cluster
    ),
    row!(
        "G5",
        "a broker's master dies under load, and its replica takes over",
        "half messages end and events are handled at the new master; nothing is lost",
        replicas::takes_over,
        claims Cluster
    ),
    row!(
        "G6",
        "the cluster demands TLS and signed requests, and rights and secrets change",
        "with the rights of the guide everything works; what is refused is said, and comes later",
        secured::run,
        claims Cluster
    ),
    row!(
        "G7",
        "a broker is killed while it stores a half message",
        "with checksums of properties nothing of it is left, and the sweep sends the event",
        torn::run,
        claims Cluster
    ),
    row!(
        "G8",
        "a broker's disk fills",
        "orders are created, no event is deleted unread, and all are handled once there is space",
        full_disk::run,
        claims Cluster
    ),
    row!(
        "G9",
        "a broker is closed for writing, drained and restarted, as for maintenance",
        "what lies there is handled, most orders go to the other one, and it is used again",
        maintenance::run,
        claims Cluster
    ),
    row!(
        "D1",
        "the broker stands still for a minute under load",
        "orders are created, soon confirmed after its return, and hardly any event twice on the topic",
        stalled::run,
        claims Machine
    ),
    row!(
        "D2",
        "a broker keeps no index of its messages",
        "it is refused with what to set, or said, and no event is published twice",
        message_index::run,
        claims Cluster
    ),
    row!(
        "D3",
        "a broker with events that wait is killed",
        "it finds them by their keys as before, and no event is published twice",
        message_index::killed,
        claims Cluster
    ),
    row!(
        "L1",
        "Lambda ends create-order amid a request",
        "the client does not know, and its retry settles it",
        lambda::run
    ),
    row!(
        "L2",
        "functions wake up with dead sockets and old questions",
        "no first request fails, and old answers change nothing",
        thaw::run
    ),
    row!(
        "U1",
        "users' events can't be sent",
        "orders' events are unhindered, and health says what is late",
        user_topic::run,
        claims Cluster
    ),
    row!(
        "W1",
        "each part is stopped in turn",
        "within five minutes health says so, and a metric crosses the threshold of its alarm",
        watched::run,
        claims Cluster
    ),
    row!(
        "X2",
        "fifty first requests at once, from nothing",
        "every one is answered",
        first_requests::run,
        claims Machine
    ),
    row!(
        "X1",
        "everything at random, under load",
        "no order is lost, invented or doubled",
        mix::run,
        claims Machine, leaves a backlog
    ),
];

/// `id` may be in lower case.
#[must_use]
pub fn row(id: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ROWS;

    #[test]
    fn every_row_has_an_id_of_its_own() {
        let ids: BTreeSet<_> = ROWS.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), ROWS.len());
    }
}
