//! The story of one order: its state and its steps.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::step::{Kind, Lane, Outcome, Step};

/// How many steps of an order are kept. The first ones matter most.
const STEPS_MAX: usize = 120;

/// What is known of create-order's half message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Half {
    /// None has passed.
    None,
    /// The broker waits for its end.
    Waiting,
    Committed,
    RolledBack,
}

/// An order as the traffic shows it.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) order_id: String,
    /// Of the item in the table; `None` as long as there is no order.
    pub(crate) status: Option<String>,
    pub(crate) half: Half,
    /// The events that are not handled yet.
    pub(crate) pending: BTreeSet<String>,
    /// The function that a button killed while it worked for the order.
    pub(crate) killed: Option<String>,
    /// How often the broker asked.
    pub(crate) check_backs: u32,
    steps: Vec<Step>,
    next_number: u32,
    /// The steps that were left out.
    left_out: u32,
}

/// What a new step says.
pub(crate) struct NewStep {
    pub(crate) at_ms: f64,
    pub(crate) from: Lane,
    pub(crate) to: Lane,
    pub(crate) kind: Kind,
    pub(crate) label: String,
    pub(crate) outcome: Outcome,
    pub(crate) took_ms: Option<f64>,
}

/// An order in a list.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    order_id: &'a str,
    status: Option<&'a str>,
    half: Half,
    pending: usize,
    killed: Option<&'a str>,
    check_backs: u32,
    started_ms: f64,
    /// From the first to the last step.
    took_ms: f64,
    steps: usize,
}

/// An order with its steps.
#[derive(Debug, Serialize)]
pub(crate) struct StoryView<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    left_out: u32,
    all_steps: &'a [Step],
}

impl Story {
    pub(crate) fn new(order_id: String) -> Self {
        Self {
            order_id,
            status: None,
            half: Half::None,
            pending: BTreeSet::new(),
            killed: None,
            check_backs: 0,
            steps: Vec::new(),
            next_number: 1,
            left_out: 0,
        }
    }

    /// Adds a step at its time, and returns its number.
    pub(crate) fn add(&mut self, new: NewStep) -> u32 {
        if let Some(earlier) = self.same_try(&new) {
            earlier.tries += 1;
            return earlier.number;
        }
        let number = self.next_number;
        self.next_number += 1;
        if self.steps.len() >= STEPS_MAX {
            self.left_out += 1;
            return number;
        }
        let NewStep { at_ms, from, to, kind, label, outcome, took_ms } = new;
        let meaning = kind.meaning(outcome);
        let tries = 1;
        let step = Step { number, at_ms, from, to, kind, label, outcome, tries, took_ms, meaning };
        let position = self.steps.partition_point(|earlier| earlier.at_ms <= at_ms);
        self.steps.insert(position, step);
        number
    }

    /// The last step, if it was throttled and the new one is the same once more.
    fn same_try(&mut self, new: &NewStep) -> Option<&mut Step> {
        let is_same = |last: &&mut Step| {
            let is_throttled = [last.outcome, new.outcome] == [Outcome::Throttled; 2];
            is_throttled && (last.from, last.kind) == (new.from, new.kind)
        };
        self.steps.last_mut().filter(is_same)
    }

    pub(crate) fn step_mut(&mut self, number: u32) -> Option<&mut Step> {
        self.steps.iter_mut().find(|step| step.number == number)
    }

    pub(crate) fn summary(&self) -> Summary<'_> {
        let started_ms = self.steps.first().map_or(0.0, |step| step.at_ms);
        let ended_ms =
            self.steps.last().map_or(0.0, |step| step.at_ms + step.took_ms.unwrap_or(0.0));
        Summary {
            order_id: &self.order_id,
            status: self.status.as_deref(),
            half: self.half,
            pending: self.pending.len(),
            killed: self.killed.as_deref(),
            check_backs: self.check_backs,
            started_ms,
            took_ms: (ended_ms - started_ms).max(0.0),
            steps: self.steps.len(),
        }
    }

    pub(crate) fn view(&self) -> StoryView<'_> {
        StoryView { summary: self.summary(), left_out: self.left_out, all_steps: &self.steps }
    }
}

#[cfg(test)]
mod tests {
    use super::{NewStep, STEPS_MAX, Story};
    use crate::step::{Kind, Lane, Outcome};

    fn step(at_ms: f64) -> NewStep {
        NewStep {
            at_ms,
            from: Lane::CreateOrder,
            to: Lane::Table,
            kind: Kind::Put,
            label: "PutItem".to_owned(),
            outcome: Outcome::Open,
            took_ms: None,
        }
    }

    #[test]
    fn steps_are_in_the_order_of_their_times_and_settle_later() {
        let mut story = Story::new("o".to_owned());
        let late = story.add(step(9.0));
        let early = story.add(step(1.0));
        let numbers: Vec<_> = story.view().all_steps.iter().map(|step| step.number).collect();
        assert_eq!(numbers, [early, late]);
        let open = story.view().all_steps[1].meaning;
        story.step_mut(late).unwrap().settle(Outcome::Refused, Some(4.0));
        assert_ne!(story.view().all_steps[1].meaning, open);
        assert!((story.summary().took_ms - 12.0).abs() < 0.001);
    }

    #[test]
    fn throttled_tries_of_one_call_are_one_step() {
        let mut story = Story::new("o".to_owned());
        for outcome in [Outcome::Throttled, Outcome::Throttled, Outcome::Done] {
            story.add(NewStep { outcome, ..step(1.0) });
        }
        let tries: Vec<_> = story.view().all_steps.iter().map(|step| step.tries).collect();
        assert_eq!(tries, [2, 1]);
    }

    #[test]
    fn a_story_has_a_limited_number_of_steps() {
        let mut story = Story::new("o".to_owned());
        for at in 0..STEPS_MAX + 7 {
            story.add(step(f64::from(u32::try_from(at).unwrap())));
        }
        assert_eq!((story.view().all_steps.len(), story.view().left_out), (STEPS_MAX, 7));
    }
}
