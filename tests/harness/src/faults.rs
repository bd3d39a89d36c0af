//! The faults that both proxies can inject.
//!
//! A proxy asks its [`Rules`] about all traffic, at two points: before the other side has received
//! it, and after the other side has processed it. A rule names the traffic that it strikes and the
//! effect: a [`Toxic`], or a [`Hold`], which stops the traffic until the test releases it. So a
//! test hits a short window reliably, and can assert that its fault happened.
//!
//! Names are those of toxiproxy where it has them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before the other side receives the request.
    Request,
    /// After the other side has processed the request, and before the caller gets the answer.
    Response,
}

/// The traffic of a proxy: calls to the table, or frames.
pub trait Traffic: Clone + Send + Sync + 'static {
    type Answer: Clone + Send + Sync + 'static;
}

/// What a proxy does to the traffic that a rule strikes.
pub enum Toxic<T: Traffic> {
    /// It never arrives. The connection of a call that waits for an answer is closed.
    Lose,
    /// It arrives late; later traffic may overtake it.
    Delay(Duration),
    /// It arrives this many times.
    Repeat(usize),
    /// The caller gets this answer. At [`Point::Request`] the other side never sees the request.
    Answer(T::Answer),
    /// It arrives changed.
    Rewrite(Arc<dyn Fn(&mut T) + Send + Sync>),
    Reset,
    /// It arrives in pieces, with a pause after each piece.
    Slice {
        /// At least 1.
        bytes: usize,
        pause: Duration,
    },
}

impl<T: Traffic> Clone for Toxic<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Lose => Self::Lose,
            Self::Delay(time) => Self::Delay(*time),
            Self::Repeat(times) => Self::Repeat(*times),
            Self::Answer(answer) => Self::Answer(answer.clone()),
            Self::Rewrite(change) => Self::Rewrite(Arc::clone(change)),
            Self::Reset => Self::Reset,
            Self::Slice { bytes, pause } => Self::Slice { bytes: *bytes, pause: *pause },
        }
    }
}

/// The rules of one proxy. Clones share them.
pub struct Rules<T: Traffic>(Arc<Mutex<Book<T>>>);

struct Book<T: Traffic> {
    next_id: u64,
    rules: Vec<Rule<T>>,
}

struct Rule<T: Traffic> {
    id: u64,
    point: Point,
    matches: Box<dyn Fn(&T) -> bool + Send + Sync>,
    /// How often it may still strike; `None` for no limit.
    remaining: Option<u64>,
    share: Option<Share>,
    effect: Effect<T>,
    struck: Arc<AtomicU64>,
}

/// Strikes at random, in the same way for the same seed.
struct Share {
    fraction: f64,
    rng: fastrand::Rng,
}

enum Effect<T: Traffic> {
    Hold(mpsc::UnboundedSender<Held<T>>),
    Toxic(Toxic<T>),
    Answer(Answer<T>),
}

/// Makes the answer to a request that is struck.
type Answer<T> = Arc<dyn Fn(&T) -> <T as Traffic>::Answer + Send + Sync>;

impl<T: Traffic> Default for Rules<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Book { next_id: 0, rules: Vec::new() })))
    }
}

impl<T: Traffic> Clone for Rules<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Traffic> fmt::Debug for Rules<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("standing", &self.book().rules.len()).finish()
    }
}

impl<T: Traffic> Rules<T> {
    /// Begins a rule for the traffic at `point` for which `matches` returns `true`. If several
    /// rules match, the oldest strikes.
    pub fn on(
        &self,
        point: Point,
        matches: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> NewRule<T> {
        NewRule {
            rules: self.clone(),
            point,
            matches: Box::new(matches),
            remaining: None,
            share: None,
        }
    }

    /// Removes every rule. Traffic that is held stays held.
    pub fn heal(&self) {
        self.book().rules.clear();
    }

    fn book(&self) -> MutexGuard<'_, Book<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, rule: impl FnOnce(u64) -> Rule<T>) -> u64 {
        let mut book = self.book();
        let id = book.next_id;
        book.next_id += 1;
        let rule = rule(id);
        book.rules.push(rule);
        id
    }

    fn remove(&self, id: u64) {
        self.book().rules.retain(|rule| rule.id != id);
    }

    /// The strike of a rule on `traffic` at `point`, if one matches. Other traffic is passed on in
    /// its order.
    pub(crate) fn draw(&self, point: Point, traffic: &T) -> Option<Strike<T>> {
        self.book().draw(point, traffic).map(Strike)
    }

    /// What to do with `traffic` at `point`. With a hold, this waits for the verdict.
    pub(crate) async fn strike(&self, point: Point, traffic: &T) -> Option<Toxic<T>> {
        self.draw(point, traffic)?.verdict(traffic).await
    }
}

/// A rule has struck; its hold may not be decided yet.
pub(crate) struct Strike<T: Traffic>(Effect<T>);

impl<T: Traffic> Strike<T> {
    /// What to do; `None` to pass the traffic on.
    pub(crate) async fn verdict(self, traffic: &T) -> Option<Toxic<T>> {
        let held = match self.0 {
            Effect::Toxic(toxic) => return Some(toxic),
            Effect::Answer(answer) => return Some(Toxic::Answer(answer(traffic))),
            Effect::Hold(held) => held,
        };
        let (verdict, decided) = oneshot::channel();
        match held.send(Held { traffic: traffic.clone(), verdict }) {
            // The test dropped the held traffic, which is then lost.
            Ok(()) => decided.await.unwrap_or(Some(Toxic::Lose)),
            // The hold was dropped, so traffic passes.
            Err(_) => None,
        }
    }
}

impl<T: Traffic> Book<T> {
    fn draw(&mut self, point: Point, traffic: &T) -> Option<Effect<T>> {
        let hits = |rule: &mut Rule<T>| {
            rule.point == point
                && (rule.matches)(traffic)
                && rule.share.as_mut().is_none_or(|share| share.rng.f64() < share.fraction)
        };
        let position = self.rules.iter_mut().position(hits)?;
        let rule = self.rules.get_mut(position)?;
        rule.struck.fetch_add(1, Ordering::Relaxed);
        let effect = match &rule.effect {
            Effect::Hold(seen) => Effect::Hold(seen.clone()),
            Effect::Toxic(toxic) => Effect::Toxic(toxic.clone()),
            Effect::Answer(answer) => Effect::Answer(Arc::clone(answer)),
        };
        if let Some(remaining) = &mut rule.remaining {
            *remaining -= 1;
            if *remaining == 0 {
                self.rules.remove(position);
            }
        }
        Some(effect)
    }
}

/// A rule that is not in effect yet: that takes [`Self::inflict`], [`Self::answer`] or
/// [`Self::hold`].
#[must_use = "a rule applies once it has an effect"]
pub struct NewRule<T: Traffic> {
    rules: Rules<T>,
    point: Point,
    matches: Box<dyn Fn(&T) -> bool + Send + Sync>,
    remaining: Option<u64>,
    share: Option<Share>,
}

impl<T: Traffic> NewRule<T> {
    /// Limits the rule to this many strikes, at least one.
    pub fn times(mut self, times: u64) -> Self {
        self.remaining = Some(times.max(1));
        self
    }

    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Strikes a random `fraction` (0 to 1) of the traffic that matches; `seed` determines which.
    pub fn share(mut self, fraction: f64, seed: u64) -> Self {
        self.share = Some(Share { fraction, rng: fastrand::Rng::with_seed(seed) });
        self
    }

    #[must_use = "a hold that is dropped stops nothing"]
    pub fn hold(self) -> Hold<T> {
        let (seen, held) = mpsc::unbounded_channel();
        Hold { standing: self.activate(Effect::Hold(seen)), held }
    }

    /// The rule lasts as long as the returned handle.
    #[must_use = "a rule that is dropped strikes nothing"]
    pub fn inflict(self, toxic: Toxic<T>) -> Standing<T> {
        self.activate(Effect::Toxic(toxic))
    }

    /// Like [`NewRule::inflict`] with [`Toxic::Answer`], with an answer made from each request.
    #[must_use = "a rule that is dropped strikes nothing"]
    pub fn answer(self, answer: impl Fn(&T) -> T::Answer + Send + Sync + 'static) -> Standing<T> {
        self.activate(Effect::Answer(Arc::new(answer)))
    }

    fn activate(self, effect: Effect<T>) -> Standing<T> {
        let Self { rules, point, matches, remaining, share } = self;
        let struck = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&struck);
        let id =
            rules.add(|id| Rule { id, point, matches, remaining, share, effect, struck: counter });
        Standing { rules, id, struck }
    }
}

/// An active rule; dropping this removes it.
#[derive(Debug)]
pub struct Standing<T: Traffic> {
    rules: Rules<T>,
    id: u64,
    struck: Arc<AtomicU64>,
}

impl<T: Traffic> Standing<T> {
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }
}

impl<T: Traffic> Drop for Standing<T> {
    fn drop(&mut self) {
        self.rules.remove(self.id);
    }
}

/// Stops the traffic that its rule matches. Once this is dropped, nothing more is stopped, and
/// stopped traffic that [`Hold::seen`] has not returned is lost.
#[derive(Debug)]
pub struct Hold<T: Traffic> {
    standing: Standing<T>,
    held: mpsc::UnboundedReceiver<Held<T>>,
}

impl<T: Traffic> Hold<T> {
    /// Waits until traffic is stopped.
    ///
    /// # Errors
    /// When nothing was stopped within `limit`: the fault did not happen.
    pub async fn seen(&mut self, limit: Duration) -> anyhow::Result<Held<T>> {
        let held = tokio::time::timeout(limit, self.held.recv()).await;
        held.ok().flatten().with_context(|| format!("nothing was held within {limit:?}"))
    }

    #[must_use]
    pub fn struck(&self) -> u64 {
        self.standing.struck()
    }
}

/// Stopped traffic. It is lost if this is dropped.
#[derive(Debug)]
pub struct Held<T: Traffic> {
    pub traffic: T,
    verdict: oneshot::Sender<Option<Toxic<T>>>,
}

impl<T: Traffic> Held<T> {
    /// Passes it on, even if its sender has ended.
    pub fn release(self) {
        self.decide(None);
    }

    /// Drops it, so that it never arrives.
    pub fn lose(self) {
        self.decide(Some(Toxic::Lose));
    }

    pub fn release_with(self, toxic: Toxic<T>) {
        self.decide(Some(toxic));
    }

    fn decide(self, verdict: Option<Toxic<T>>) {
        // If the receiver is gone, its proxy has ended.
        let _ended = self.verdict.send(verdict);
    }
}

impl<T: Traffic> fmt::Debug for Toxic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lose => "lose",
            Self::Delay(_) => "delay",
            Self::Repeat(_) => "repeat",
            Self::Answer(_) => "answer",
            Self::Rewrite(_) => "rewrite",
            Self::Reset => "reset",
            Self::Slice { .. } => "slice",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Point, Rules, Toxic, Traffic};

    impl Traffic for u32 {
        type Answer = u32;
    }

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_rule_strikes_what_it_matches_as_often_as_it_may() {
        let rules = Rules::<u32>::default();
        let rule = rules.on(Point::Request, |n| *n == 7).times(2).inflict(Toxic::Lose);
        assert!(rules.strike(Point::Request, &8).await.is_none());
        assert!(rules.strike(Point::Response, &7).await.is_none());
        assert!(rules.strike(Point::Request, &7).await.is_some());
        assert!(rules.strike(Point::Request, &7).await.is_some());
        assert!(rules.strike(Point::Request, &7).await.is_none());
        assert_eq!(rule.struck(), 2);
    }

    #[tokio::test]
    async fn an_answer_can_depend_on_the_struck_request() {
        let rules = Rules::<u32>::default();
        let _rule = rules.on(Point::Request, |_| true).answer(|n| n + 1);
        assert!(matches!(rules.strike(Point::Request, &7).await, Some(Toxic::Answer(8))));
    }

    #[tokio::test]
    async fn a_share_is_the_same_for_the_same_seed() {
        let draw = async |seed| {
            let rules = Rules::<u32>::default();
            let rule = rules.on(Point::Request, |_| true).share(0.1, seed).inflict(Toxic::Reset);
            let mut struck = Vec::new();
            for n in 0..1000 {
                struck.push(rules.strike(Point::Request, &n).await.is_some());
            }
            assert!((50..150).contains(&rule.struck()), "{}", rule.struck());
            struck
        };
        assert_eq!(draw(1).await, draw(1).await);
        assert_ne!(draw(1).await, draw(2).await);
    }

    #[tokio::test]
    async fn held_traffic_waits_for_its_verdict() {
        let rules = Rules::<u32>::default();
        let mut hold = rules.on(Point::Request, |_| true).times(3).hold();
        let struck = async || rules.strike(Point::Request, &1).await;
        let (passed, ()) =
            tokio::join!(struck(), async { hold.seen(LIMIT).await.unwrap().release() });
        assert!(passed.is_none());
        let (lost, ()) = tokio::join!(struck(), async { hold.seen(LIMIT).await.unwrap().lose() });
        assert!(matches!(lost, Some(Toxic::Lose)));
        let (dropped, ()) = tokio::join!(struck(), async { drop(hold.seen(LIMIT).await.unwrap()) });
        assert!(matches!(dropped, Some(Toxic::Lose)));
        assert_eq!(hold.struck(), 3);
    }

    #[tokio::test]
    async fn a_rule_ends_with_its_handle() {
        let rules = Rules::<u32>::default();
        drop(rules.on(Point::Request, |_| true).inflict(Toxic::Lose));
        drop(rules.on(Point::Request, |_| true).hold());
        assert!(rules.strike(Point::Request, &1).await.is_none());
    }

    #[tokio::test]
    async fn a_fault_that_does_not_happen_is_an_error() {
        let rules = Rules::<u32>::default();
        let mut hold = rules.on(Point::Request, |_| true).hold();
        assert!(hold.seen(Duration::from_millis(1)).await.is_err());
    }
}
