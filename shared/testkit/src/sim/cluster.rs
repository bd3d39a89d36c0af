//! The broker's checks, as the Java broker makes them: in rounds, to any member that it still
//! counts as connected, and only a limited number of times.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::ports::{CheckAnswer, CheckBack, CheckBackHandler};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::Simulation;
use super::process::Process;
use crate::weather::Weather;

/// `transactionCheckInterval`: 30 s by default (`BrokerConfig.java`), or a shorter setting.
const ROUNDS: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];

/// `transactionTimeOut`: how old a half message is before it is checked for the first time.
const FIRST_CHECK_AFTER: Duration = Duration::from_secs(6);

/// `transactionCheckMax`: after this many rounds the broker discards a half message. 15 by default.
const CHECKS_MAX: [u32; 3] = [2, 6, 15];

/// How long the broker counts a member as connected that died without closing its connection
/// (`ClientHousekeepingService`).
const CONNECTED_FOR: Duration = Duration::from_secs(120);

/// Out of 1,000 rounds, how many check a half message again that has ended: the record of its end
/// was not written yet when the broker died.
const ASKED_AGAIN: u16 = 200;

/// The members of the checked group.
#[derive(Clone, Default)]
pub(super) struct Members(Arc<Mutex<Vec<Member>>>);

pub(super) type Answers = Arc<dyn Fn(CheckBack) -> BoxFuture<'static, CheckAnswer> + Send + Sync>;

#[derive(Clone)]
struct Member {
    process: Process,
    answers: Answers,
    /// When it was first seen dead. The broker may ask it for a while after that.
    gone_at: Option<Instant>,
}

pub(super) fn answers(handler: impl CheckBackHandler) -> Answers {
    let handler = Arc::new(handler);
    Arc::new(move |check| {
        let handler = Arc::clone(&handler);
        async move { handler.answer(check).await }.boxed()
    })
}

impl Members {
    pub(super) fn join(&self, process: &Process, answers: Answers) {
        let member = Member { process: process.clone(), answers, gone_at: None };
        self.0.lock().unwrap().push(member);
    }

    /// A random member, after forgetting those that ended more than [`CONNECTED_FOR`] ago.
    fn any(&self, draw: impl FnOnce(u64) -> u64) -> Option<Member> {
        let mut members = self.0.lock().unwrap();
        let now = Instant::now();
        for member in members.iter_mut().filter(|member| member.process.is_over()) {
            member.gone_at.get_or_insert(now);
        }
        members.retain(|member| member.gone_at.is_none_or(|gone| now - gone < CONNECTED_FOR));
        let count = u64::try_from(members.len()).unwrap();
        (count > 0).then(|| members[usize::try_from(draw(count)).unwrap()].clone())
    }
}

impl Simulation {
    /// Starts the rounds of checks, which last until the end of the run.
    pub(super) fn check_half_messages(&self) {
        let simulation = self.clone();
        let round = *pick(&ROUNDS, &self.weather);
        let checks_max = *pick(&CHECKS_MAX, &self.weather);
        self.trace.add(|| format!("{checks_max} rounds of checks, one every {round:?}"));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(round).await;
                simulation.check_round(checks_max);
            }
        });
    }

    fn check_round(&self, checks_max: u32) {
        if self.world.broker.is_away() {
            return;
        }
        for (at, check) in self.world.broker.due_checks(FIRST_CHECK_AFTER, checks_max) {
            self.check(at, check);
        }
        if self.weather.happens(ASKED_AGAIN)
            && let Some((at, check)) =
                self.world.broker.any_ended(|count| self.weather.below(count))
        {
            self.check(at, check);
        }
    }

    /// Asks a member. If it is frozen or dead, no answer comes.
    fn check(&self, at: usize, check: CheckBack) {
        let Some(member) = self.members.any(|count| self.weather.below(count)) else { return };
        let simulation = self.clone();
        let process = member.process.clone();
        process.spawn(async move {
            let answer = (member.answers)(check).await;
            simulation.trace.add(|| format!("check of half {at}: {answer:?}"));
            simulation.weather.travel().await;
            // The client sends its answer one-way, and does not notice a loss.
            if !simulation.weather.happens(simulation.weather.odds().reply_lost) {
                simulation.world.broker.apply_answer(at, answer);
            }
        });
    }
}

pub(super) fn pick<'a, Item>(from: &'a [Item], weather: &Weather) -> &'a Item {
    let count = u64::try_from(from.len()).unwrap();
    &from[usize::try_from(weather.below(count)).unwrap()]
}
