//! One client's connection, and the proxy's connection to the server for it.
//!
//! Frames pass in their order, except those that a rule strikes: many requests share a connection,
//! so a frame that is held or late must not block the frames behind it. A held frame outlives the
//! client that sent it: the connection to the server stays open until the frame is decided on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use local_lambda::Tasks;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::relay::{Listed, Shared, Witness};
use super::{Passage, Side};
use crate::faults::{Point, Toxic};
use crate::remoting::{Frame, code, popped, read_frame};

/// How many frames may wait to be written before the proxy stops reading from the other side.
const QUEUE: usize = 256;

/// How long a server may take to close its connection after its client has.
const FAREWELL: Duration = Duration::from_secs(5);

const POLL: Duration = Duration::from_millis(20);

/// The request code of an answer whose request is not known.
const UNKNOWN_REQUEST: i32 = -1;

#[derive(Clone)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) shared: Arc<Shared>,
}

/// Bytes to write, at once or in slices with a pause after each.
pub(super) struct Out {
    bytes: Bytes,
    slices: Option<(usize, Duration)>,
}

impl Out {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { bytes, slices: None }
    }
}

/// The codes of unanswered requests, by the side that sent them and their number.
#[derive(Default)]
struct Unanswered(Mutex<BTreeMap<(Side, i32), i32>>);

impl Unanswered {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Side, i32), i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server has answered every message, but at most for [`FAREWELL`]: the journal
    /// needs the broker's answer even if the client has gone.
    async fn messages_are_answered(&self) {
        let is_message = |code: &i32| matches!(*code, code::SEND_MESSAGE | code::SEND_MESSAGE_V2);
        let answered = async {
            while self.lock().values().any(is_message) {
                tokio::time::sleep(POLL).await;
            }
        };
        drop(tokio::time::timeout(FAREWELL, answered).await);
    }
}

struct Wire {
    line: Line,
    unanswered: Arc<Unanswered>,
    to_client: mpsc::Sender<Out>,
    to_server: mpsc::Sender<Out>,
    reset: Arc<Notify>,
}

pub(super) async fn run(client: TcpStream, server: TcpStream, line: Line) {
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let (to_client, client_queue) = mpsc::channel(QUEUE);
    let (to_server, server_queue) = mpsc::channel(QUEUE);
    let listed = Listed::new(line.clone(), to_client.clone());
    let reset = Arc::new(Notify::new());
    let unanswered = Arc::new(Unanswered::default());
    let wire = Arc::new(Wire {
        line,
        unanswered: Arc::clone(&unanswered),
        to_client,
        to_server,
        reset: Arc::clone(&reset),
    });
    let struck = Tasks::default();
    let mut client_writer = JoinSet::new();
    client_writer.spawn(write(client_out, client_queue));
    let mut server_writer = JoinSet::new();
    server_writer.spawn(write(server_out, server_queue));

    let mut client_in = client_in;
    let mut server_in = server_in;
    let up = pump(Side::Client, &mut client_in, Arc::clone(&wire), &struck);
    let mut down = Box::pin(pump(Side::Server, &mut server_in, Arc::clone(&wire), &struck));
    drop(wire);
    tokio::select! {
        () = reset.notified() => {
            // With a linger time of zero, closing the socket resets the connection.
            drop(client_in.as_ref().set_zero_linger());
        }
        () = up => {
            drop(listed);
            // The client has gone, but struck frames may still be on their way to the server, and
            // the server's answers on their way back.
            let rest = async {
                struck.finish().await;
                unanswered.messages_are_answered().await;
            };
            tokio::select! {
                () = rest => {}
                () = &mut down => {}
            }
            drop(down);
            while server_writer.join_next().await.is_some() {}
            // Closing before the server does could reset the connection while the server still has
            // data to read.
            let mut nowhere = tokio::io::sink();
            let farewell = tokio::io::copy(&mut server_in, &mut nowhere);
            drop(tokio::time::timeout(FAREWELL, farewell).await);
        }
        () = &mut down => {
            drop(listed);
            struck.abort();
            struck.finish().await;
            // Answers from before the end still reach the client.
            while client_writer.join_next().await.is_some() {}
        }
    }
}

/// Writes the queue until all its senders are gone, then closes the connection.
async fn write(mut to: OwnedWriteHalf, mut queue: mpsc::Receiver<Out>) {
    while let Some(Out { bytes, slices }) = queue.recv().await {
        let (size, pause) = slices.unwrap_or((bytes.len().max(1), Duration::ZERO));
        for slice in bytes.chunks(size.max(1)) {
            if to.write_all(slice).await.is_err() {
                // The other side has gone; the rest of the queue is discarded, so that no sender
                // waits.
                queue.close();
                while queue.recv().await.is_some() {}
                return;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn pump(from: Side, source: &mut OwnedReadHalf, wire: Arc<Wire>, struck: &Tasks) {
    loop {
        let bytes = match read_frame(source).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, ?from, "a connection broke");
                return;
            }
        };
        let frame = match Frame::decode(&bytes) {
            Ok(frame) => frame,
            Err(error) => {
                // It is not passed on unread, because a rule might have to strike it.
                tracing::error!(%error, ?from, "a frame cannot be read");
                return;
            }
        };
        let passage = wire.passage(from, frame);
        let out = match wire.substituted(&passage) {
            Some(changed) => Out::whole(changed),
            None => Out::whole(bytes),
        };
        let point = if passage.frame.is_answer() { Point::Response } else { Point::Request };
        match wire.line.shared.rules.draw(point, &passage) {
            None => {
                if wire.towards(from.other()).send(out).await.is_err() {
                    return;
                }
                wire.passed_on(&passage);
            }
            Some(strike) => {
                let wire = Arc::clone(&wire);
                struck.spawn(async move {
                    let verdict = strike.verdict(&passage).await;
                    wire.inflict(verdict, passage, out).await;
                });
            }
        }
    }
}

impl Wire {
    fn passage(&self, from: Side, frame: Frame) -> Passage {
        let request = if frame.is_answer() {
            self.unanswered.lock().remove(&(from.other(), frame.opaque)).unwrap_or(UNKNOWN_REQUEST)
        } else {
            if !frame.is_one_way() {
                self.unanswered.lock().insert((from, frame.opaque), frame.code);
            }
            frame.code
        };
        let passage = Passage { from, connection: self.line.number, request, frame };
        if from == Side::Client && !passage.frame.is_answer() {
            self.line.shared.requests.count(request);
        }
        if let Witness::Journal(journal) = &self.line.shared.witness {
            journal.record(&passage);
        }
        if request == code::HEART_BEAT && from == Side::Client {
            let heartbeat = String::from_utf8_lossy(&passage.frame.body).into_owned();
            if let Some(open) = self.line.shared.open().get_mut(&self.line.number) {
                open.heartbeat = heartbeat;
            }
        }
        passage
    }

    /// The frame with the proxy's address instead of the server's, if it is an answer with that
    /// address.
    fn substituted(&self, passage: &Passage) -> Option<Bytes> {
        if !passage.frame.is_answer() {
            return None;
        }
        let mut body = passage.frame.body.clone();
        let mut is_changed = false;
        for substitution in &self.line.shared.substitutions {
            if let Some(changed) = substitution.apply(&body) {
                body = changed;
                is_changed = true;
            }
        }
        if !is_changed {
            return None;
        }
        Frame { body, ..passage.frame.clone() }.encode().ok()
    }

    async fn inflict(&self, toxic: Option<Toxic<Passage>>, mut passage: Passage, out: Out) {
        let onwards = self.towards(passage.from.other());
        let times = match &toxic {
            Some(Toxic::Repeat(times)) => *times,
            _ => 1,
        };
        let out = match toxic {
            None | Some(Toxic::Repeat(_)) => out,
            Some(Toxic::Lose) => return,
            Some(Toxic::Reset) => return self.reset.notify_one(),
            Some(Toxic::Delay(time)) => {
                tokio::time::sleep(time).await;
                out
            }
            Some(Toxic::Slice { bytes, pause }) => {
                Out { bytes: out.bytes, slices: Some((bytes, pause)) }
            }
            Some(Toxic::Rewrite(change)) => {
                change(&mut passage);
                match passage.frame.encode() {
                    Ok(bytes) => Out::whole(bytes),
                    Err(error) => return tracing::error!(%error, "a rewritten frame is not valid"),
                }
            }
            Some(Toxic::Answer(answer)) => {
                let asker =
                    if passage.frame.is_answer() { passage.from.other() } else { passage.from };
                let answer = passage.frame.answer(answer.code, &answer.remark).encode();
                if let Ok(bytes) = answer {
                    // If the side has gone, it needs no answer.
                    drop(self.towards(asker).send(Out::whole(bytes)).await);
                }
                return;
            }
        };
        let mut passed_on = false;
        for _ in 0..times {
            let copy = Out { bytes: out.bytes.clone(), slices: out.slices };
            // If the side has gone, the frame is lost.
            passed_on |= onwards.send(copy).await.is_ok();
        }
        if passed_on {
            self.passed_on(&passage);
        }
    }

    fn passed_on(&self, passage: &Passage) {
        if passage.from == Side::Client && !passage.frame.is_answer() {
            self.line.shared.passed_on.count(passage.request);
        }
        match &self.line.shared.witness {
            Witness::None => {}
            Witness::Observer(see) => see(passage),
            Witness::Journal(journal) => {
                if passage.from == Side::Server && passage.request == code::POP_MESSAGE {
                    for event_id in popped(&passage.frame.body, "event_id") {
                        self.line.shared.deliveries.count(event_id);
                    }
                }
                journal.record_passed_on(passage);
            }
        }
    }

    fn towards(&self, side: Side) -> &mpsc::Sender<Out> {
        match side {
            Side::Client => &self.to_client,
            Side::Server => &self.to_server,
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
