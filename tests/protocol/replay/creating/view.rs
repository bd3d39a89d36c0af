//! The visible state, of the model and of the stage.

use application::ports;
use contracts::event::EventType;
use domain::order::{OrderStatus, StoredOrder};
use domain::pending::Publication;
use testkit::samples::product_id;

use super::stage::{STOCK, Stage, created_event, order_id, user_id};
use crate::creating::action::AttemptId;
use crate::creating::parties::orders_table;
use crate::creating::protocol::Creating;
use crate::creating::state::{
    Answer, Entry, HalfFate, MANY, Order, Progress, Resolution, Settlement, State,
};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    attempts: Vec<AttemptView>,
    order: Option<Order>,
    unacknowledged: usize,
    sweep_half_open: bool,
    handled: u8,
}

#[derive(Debug, PartialEq, Eq)]
struct AttemptView {
    fenced: bool,
    half: HalfFate,
    about_to_end: Option<Resolution>,
    commits_under_way: usize,
    /// While it can change anything.
    rollback_under_way: bool,
    /// While a late put can take effect.
    late_put: bool,
    /// Checkers that are about to fence it.
    fencing: usize,
    /// On the topic, as far as the model counts them.
    visible: u8,
    answer: Option<Answer>,
}

impl View {
    pub(crate) fn of_model(protocol: &Creating, state: &State) -> Self {
        let view = |attempt: AttemptId| {
            let half = state.broker.halves[attempt];
            let progress = state.attempts[attempt].progress;
            AttemptView {
                fenced: state.item.fenced[attempt],
                half: half.fate,
                about_to_end: match progress {
                    Progress::Settled(Settlement::Committed) => Some(Resolution::Commit),
                    Progress::Settled(_) => Some(Resolution::Rollback),
                    _ => None,
                },
                commits_under_way: half.commits_under_way.into(),
                rollback_under_way: half.rollback_under_way,
                late_put: state.attempts[attempt].late_put
                    && orders_table::put_applies(protocol, state, attempt),
                fencing: half.fencing.into(),
                visible: state.broker.visible[attempt],
                answer: match progress {
                    Progress::Answered(answer) => Some(answer),
                    _ => None,
                },
            }
        };
        Self {
            attempts: (0..protocol.bounds.attempts).map(view).collect(),
            order: state.item.order.clone(),
            unacknowledged: state.broker.unacknowledged.into(),
            sweep_half_open: state.broker.sweep_half,
            handled: state.past.handled,
        }
    }

    /// Removes the answers of clients whose requests still wait for the broker. The model doesn't
    /// wait for the broker's answer, because it changes nothing.
    pub(crate) fn without_answers_of(mut self, stage: &Stage) -> Self {
        for (view, attempt) in self.attempts.iter_mut().zip(&stage.attempts) {
            if attempt.awaits_its_end() {
                view.answer = None;
            }
        }
        self
    }
}

impl Stage {
    pub(crate) fn seen(&self) -> View {
        let stored = self.stored();
        View {
            attempts: (0..self.attempts.len()).map(|attempt| self.view_of(attempt)).collect(),
            order: stored.as_ref().map(|stored| self.order(stored)),
            unacknowledged: self.world.broker.unacknowledged(),
            sweep_half_open: self.sweep_half.is_some(),
            handled: stored.map_or(0, |stored| self.handled(&stored)),
        }
    }

    fn view_of(&self, attempt: AttemptId) -> AttemptView {
        let on_stage = &self.attempts[attempt];
        let tombstone = self.world.tables.tombstone(user_id(), order_id());
        let half = self.fate_of_half(attempt);
        let under_way = |resolution: ports::Resolution| {
            on_stage.ends.iter().filter(|end| end.resolution == resolution).count()
        };
        let id = on_stage.transaction_id;
        let copies = id.map_or(0, |id| self.world.broker.copies_of(id).visible);
        AttemptView {
            fenced: tombstone
                .is_some_and(|(tombstone, _)| id.is_some_and(|id| tombstone.holds(id))),
            half,
            about_to_end: on_stage.to_end.as_ref().map(|(resolution, _)| match resolution {
                ports::Resolution::Commit => Resolution::Commit,
                ports::Resolution::Rollback => Resolution::Rollback,
            }),
            commits_under_way: under_way(ports::Resolution::Commit),
            rollback_under_way: half == HalfFate::Open
                && under_way(ports::Resolution::Rollback) > 0,
            late_put: !on_stage.late_puts.is_empty() && self.may_still_land(attempt),
            fencing: on_stage.checkers.len(),
            visible: copies.min(MANY.into()).try_into().unwrap(),
            answer: on_stage.answer,
        }
    }

    fn fate_of_half(&self, attempt: AttemptId) -> HalfFate {
        let Some(receipt) = self.attempts[attempt].half else { return HalfFate::Absent };
        if self.attempts[attempt].discarded {
            return HalfFate::Discarded;
        }
        match self.world.broker.half(receipt).ends.first() {
            None => HalfFate::Open,
            Some(ports::Resolution::Commit) => HalfFate::Committed,
            Some(ports::Resolution::Rollback) => HalfFate::RolledBack,
        }
    }

    fn stored(&self) -> Option<StoredOrder> {
        let orders = self.world.tables.stored_orders();
        assert!(orders.len() <= 1, "one intent, one order: {orders:?}");
        orders.into_iter().next()
    }

    fn order(&self, stored: &StoredOrder) -> Order {
        assert_eq!(stored.created_event(), created_event(), "an order is created once");
        let by = Some(stored.attempt);
        let attempt = self.attempts.iter().position(|attempt| attempt.transaction_id == by);
        let attempt = attempt.expect("an attempt stored it");
        let entry = stored.pending.get(created_event());
        let pending = entry.map(|entry| {
            assert_eq!(entry.transaction_id, stored.attempt, "of its attempt's publication");
            assert_ne!(entry.publication, Publication::Found, "nothing is looked for in vain");
            Entry { never_sent: entry.publication == Publication::Unsent }
        });
        assert_eq!(stored.pending.len(), pending.iter().len(), "what follows is handled at once");
        let in_index = self.world.tables.index_entry(order_id()).is_some();
        assert_eq!(in_index, pending.is_some(), "the sweep sees what is pending, and nothing else");
        Order { created_by: attempt, transaction: attempt, pending }
    }

    /// Counted wherever it leaves a trace.
    fn handled(&self, stored: &StoredOrder) -> u8 {
        let reserved = STOCK - self.world.tables.stock_of(product_id(1)).unwrap();
        let notified = stored.order.notifications().iter();
        let notified =
            notified.filter(|one| one.event_type == EventType::OrderCreated.as_str()).count();
        assert_eq!(u32::try_from(notified).unwrap(), reserved, "one handler's effect as another's");
        assert_eq!(stored.order.status() == OrderStatus::Confirmed, reserved > 0);
        reserved.try_into().unwrap()
    }
}
