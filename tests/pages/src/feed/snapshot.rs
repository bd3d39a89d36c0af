//! All that the page shows, at one moment.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Activity, Counts, Feed, TableCounts, TopicCounts};
use crate::buttons::Faults;
use crate::feed::Process;

/// How many orders the list has.
const LISTED_MAX: usize = 40;

/// A snapshot as JSON.
pub(crate) struct Snapshot(pub(crate) String);

#[derive(Serialize)]
struct View<'a, Orders, Story> {
    revision: u64,
    now_ms: f64,
    counts: Counts,
    orders: Orders,
    /// The order that the page follows.
    story: Option<Story>,
    functions: BTreeMap<&'a str, Vec<&'a Process>>,
    topics: &'a BTreeMap<String, TopicCounts>,
    tables: &'a BTreeMap<String, TableCounts>,
    activity: Vec<&'a Activity>,
    faults: &'a Faults,
}

impl Feed {
    /// What the page shows that follows `order_id`; without one, the newest order.
    ///
    /// # Errors
    /// When a value has no form in JSON.
    pub(crate) fn snapshot(
        &self,
        order_id: Option<&str>,
        functions: &[String],
        faults: &Faults,
    ) -> serde_json::Result<Snapshot> {
        let now_ms = self.now_ms();
        let revision = *self.0.revision.borrow();
        let state = self.state();
        let followed = match order_id {
            Some(order_id) => state.stories.get(&order_id.to_owned()),
            None => state.stories.newest().next(),
        };
        let mut processes = state.processes.shown(now_ms);
        for function in functions {
            processes.entry(function).or_default();
        }
        let orders: Vec<_> =
            state.stories.newest().take(LISTED_MAX).map(|story| story.summary()).collect();
        let view = View {
            revision,
            now_ms,
            counts: state.counts,
            orders,
            story: followed.map(|story| story.view()),
            functions: processes,
            topics: &state.topics,
            tables: &state.tables,
            activity: state.activity.iter().rev().collect(),
            faults,
        };
        serde_json::to_string(&view).map(Snapshot)
    }
}
