//! What can be seen of a state, in the model as on the stage.

use application::ports;
use contracts::event::EventType;
use domain::order::OrderStatus;
use testkit::samples::product_id;

use super::stage::{STOCK, Stage};
use crate::action::AttemptId;
use crate::state::{
    Answer, Copies, HalfFate, Order, Progress, Resolution, Settlement, State, TransactionState,
};

/// What can be seen of a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    attempts: Vec<AttemptView>,
    order: Option<Order>,
    sweep_half_open: bool,
}

/// What can be seen of an attempt.
#[derive(Debug, PartialEq, Eq)]
struct AttemptView {
    record: Option<TransactionState>,
    half: HalfFate,
    about_to_end: Option<Resolution>,
    commits_under_way: usize,
    /// As long as it can change anything.
    rollback_under_way: bool,
    topic: Copies,
    answer: Option<Answer>,
}

impl View {
    /// What the model says.
    pub(crate) fn of_model(state: &State, attempts: usize) -> Self {
        let view = |attempt: AttemptId| {
            let half = state.broker.halves[attempt];
            let progress = state.attempts[attempt].progress;
            AttemptView {
                record: state.tables.transactions[attempt],
                half: half.fate,
                about_to_end: match progress {
                    Progress::Settled(Settlement::Committed) => Some(Resolution::Commit),
                    Progress::Settled(_) => Some(Resolution::Rollback),
                    _ => None,
                },
                commits_under_way: half.commits_under_way.into(),
                rollback_under_way: half.rollback_under_way,
                topic: state.broker.topic[attempt],
                answer: match progress {
                    Progress::Answered(answer) => Some(answer),
                    _ => None,
                },
            }
        };
        Self {
            attempts: (0..attempts).map(view).collect(),
            order: state.tables.order.clone(),
            sweep_half_open: state.sweep_half_open,
        }
    }

    /// Without the answers that clients are not told yet, because their requests wait for the
    /// broker. The model doesn't wait for it: its answer changes nothing.
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
    /// What is so.
    pub(crate) fn view(&self) -> View {
        View {
            attempts: (0..self.attempts.len()).map(|attempt| self.view_of(attempt)).collect(),
            order: self.order(),
            sweep_half_open: self.sweep_half.is_some(),
        }
    }

    fn view_of(&self, attempt: AttemptId) -> AttemptView {
        let on_stage = &self.attempts[attempt];
        let records = self.world.tables.attempts();
        let id = on_stage.transaction_id;
        let record = records.iter().find(|(recorded, _)| Some(*recorded) == id);
        let half = self.fate_of_half(attempt);
        let under_way = |resolution: ports::Resolution| {
            on_stage.ends.iter().filter(|end| end.resolution == resolution).count()
        };
        AttemptView {
            record: record.map(|(_, state)| match state {
                ports::TransactionState::Committed => TransactionState::Committed,
                ports::TransactionState::Fenced => TransactionState::Fenced,
            }),
            half,
            about_to_end: on_stage.to_end.as_ref().map(|(resolution, _)| match resolution {
                ports::Resolution::Commit => Resolution::Commit,
                ports::Resolution::Rollback => Resolution::Rollback,
            }),
            commits_under_way: under_way(ports::Resolution::Commit),
            rollback_under_way: half == HalfFate::Open
                && under_way(ports::Resolution::Rollback) > 0,
            topic: self.copies_of(attempt),
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

    fn copies_of(&self, attempt: AttemptId) -> Copies {
        let Some(id) = self.attempts[attempt].transaction_id else { return Copies::default() };
        let copies = self.world.broker.copies_of(id);
        Copies {
            visible: copies.visible.try_into().unwrap(),
            unacknowledged: copies.unacknowledged.try_into().unwrap(),
        }
    }

    /// The order with its outbox copy, and its effect wherever it can be seen.
    fn order(&self) -> Option<Order> {
        let orders = self.world.tables.orders();
        assert!(orders.len() <= 1, "one intent, one order: {orders:?}");
        let order = orders.first()?;
        let subject = order.id().to_string();
        let events = self.world.tables.events().into_iter();
        let stored = events
            .filter(|stored| stored.event.message.subject == subject)
            .find(|stored| stored.event.message.event_type == EventType::OrderCreated)
            .expect("an order is stored with its event");
        let by = Some(stored.event.transaction_id);
        let attempt = self.attempts.iter().position(|attempt| attempt.transaction_id == by);
        let reserved = STOCK - self.world.tables.stock_of(product_id(1)).unwrap();
        let told = order.notifications().iter();
        let told = told.filter(|told| told.event_type == EventType::OrderCreated.as_str()).count();
        assert_eq!(u32::try_from(told).unwrap(), reserved, "one handler's effect as the other's");
        assert_eq!(order.status() == OrderStatus::Confirmed, reserved > 0);
        let handlers = self.world.tables.handled_by(stored.event.message.event_id);
        Some(Order {
            placed_by: attempt.expect("an attempt stored it"),
            transaction: attempt.expect("an attempt stored it"),
            unobserved: stored.unobserved,
            unpublished: stored.event.unpublished,
            handled: handlers.contains(&"inventory") && handlers.contains(&"notification"),
            effects: reserved.try_into().unwrap(),
        })
    }
}
