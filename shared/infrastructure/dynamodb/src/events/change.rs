//! A change of an aggregate as an update expression.

use std::collections::{BTreeMap, BTreeSet};

use application::outcome::{Failure, FailureClass};
use application::ports::TokenRecord;
use application::ports::pending::{AggregateChange, IndexChange, OrderChange, UserChange};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::pending::{PendingEvent, PendingEvents};

use crate::expression::{ItemUpdate, UpdateBuilder};
use crate::item::{binary, number, text, to_item};
use crate::keys;
use crate::records::{ChangeRecord, PendingRecord, since};

/// The update for a change, if the aggregate still has the revision that was read.
///
/// # Errors
///
/// [`Failure`] of class `Permanent` if the aggregate would leave the sweep's index with pending
/// events, or a record can't be converted to an item.
pub(super) fn update_of(change: &AggregateChange<'_>) -> Result<ItemUpdate, Failure> {
    update_by(change, End::Handled)
}

/// Like [`update_of`], for a change that moves an event to the dead letters.
pub(super) fn update_of_given_up(change: &AggregateChange<'_>) -> Result<ItemUpdate, Failure> {
    update_by(change, End::GivenUp)
}

/// Like [`update_of`], for a change that also replaces the token of a request for a mail.
pub(crate) fn update_of_with_token(
    change: &AggregateChange<'_>,
    token: &TokenRecord,
) -> Result<ItemUpdate, Failure> {
    match change {
        AggregateChange::User(change) => update_of_user(change, End::Handled, Some(token)),
        AggregateChange::Order(_) => {
            Err(Failure::new(FailureClass::Permanent, "an order has no mailed token"))
        }
    }
}

/// How the events ended that are no longer pending.
#[derive(Clone, Copy)]
enum End {
    Handled,
    GivenUp,
}

fn update_by(change: &AggregateChange<'_>, end: End) -> Result<ItemUpdate, Failure> {
    match change {
        AggregateChange::Order(change) => update_of_order(change),
        AggregateChange::User(change) => update_of_user(change, end, None),
    }
}

/// Like [`update_of`], for an order.
pub(crate) fn update_of_order(change: &OrderChange<'_>) -> Result<ItemUpdate, Failure> {
    let OrderChange { before, reached, notified, pending, index } = change;
    let order = &before.order;
    let mut update = UpdateBuilder::default();
    update.set("#revision", number(before.revision.saturating_add(1)));
    if let Some(reached) = reached {
        update.set("#status", text(reached.status.as_str()));
        update.set("#version", number(order.version().saturating_add(1)));
        update.append("#history", AttributeValue::M(to_item(&ChangeRecord::from(reached))?));
    }
    if let Some((event_id, at)) = notified {
        let event = update.name(event_id);
        update.set(&format!("#notifications.{event}"), number(at.as_millis()));
    }
    revise_pending(&mut update, &before.pending, pending)?;
    revise_index(&mut update, before.key(), *index, pending)?;
    let attempt = update.value(binary(before.attempt.as_uuid().as_bytes()));
    let revision = update.value(number(before.revision));
    let mut condition = format!("#attempt = {attempt} AND #revision = {revision}");
    condition.push_str(&unclaimed(&mut update, *index));
    Ok(update.when(keys::of_aggregate(before.key()), condition))
}

fn update_of_user(
    change: &UserChange<'_>,
    end: End,
    token: Option<&TokenRecord>,
) -> Result<ItemUpdate, Failure> {
    let UserChange { before, pending, index } = change;
    let mut update = UpdateBuilder::default();
    if let Some(token) = token {
        update.set("#token", text(token.hash));
        update.set("#token_expires_at_ms", number(token.expires_at.as_millis()));
    }
    update.set("#revision", number(before.revision.saturating_add(1)));
    revise_pending(&mut update, &before.pending, pending)?;
    revise_index(&mut update, before.key, *index, pending)?;
    if let Some(expires_at) = before.expires_at {
        match (before.pending.is_empty(), pending.is_empty(), end) {
            // The table must not delete an item with pending events.
            (true, false, _) => update.remove("#expires_at"),
            (_, true, End::Handled) => {
                update.set("#expires_at", number(expires_at.as_secs()));
            }
            // A dead letter needs its aggregate until it is removed, which may be late.
            (_, true, End::GivenUp) | (false, false, _) => {}
        }
    }
    let revision = update.value(number(before.revision));
    let condition = format!("#revision = {revision}{}", unclaimed(&mut update, *index));
    Ok(update.when(keys::of_aggregate(before.key), condition))
}

/// The additional condition of a claim: that no other sweep has moved the entry.
fn unclaimed(update: &mut UpdateBuilder, index: IndexChange) -> String {
    match index {
        IndexChange::Claim { expected, .. } => {
            format!(" AND #due_ms = {}", update.value(number(expected.as_millis())))
        }
        IndexChange::Keep | IndexChange::Move { .. } | IndexChange::Leave => String::new(),
    }
}

fn revise_index(
    update: &mut UpdateBuilder,
    key: AggregateKey,
    index: IndexChange,
    pending: &PendingEvents,
) -> Result<(), Failure> {
    match index {
        IndexChange::Keep => {}
        IndexChange::Move { due, rank } | IndexChange::Claim { due, rank, .. } => {
            update.set("#shard", text(keys::pending_shard(rank, key)));
            update.set("#due_ms", number(due.as_millis()));
            update.set("#since_ms", number(since(pending).unwrap_or(due).as_millis()));
        }
        IndexChange::Leave if pending.is_empty() => {
            ["#shard", "#due_ms", "#since_ms"].into_iter().for_each(|path| update.remove(path));
        }
        // No sweep would find the aggregate again.
        IndexChange::Leave => {
            let cause = "an aggregate with pending events can't leave the index";
            return Err(Failure::new(FailureClass::Permanent, cause));
        }
    }
    Ok(())
}

/// Writes only the differences, so that attributes that newer code added to an entry stay in it.
fn revise_pending(
    update: &mut UpdateBuilder,
    before: &PendingEvents,
    after: &PendingEvents,
) -> Result<(), Failure> {
    for (event_id, event) in after.iter() {
        match before.get(event_id) {
            Some(previous) if previous == event => {}
            Some(previous) => {
                let entry = entry(update, event_id);
                revise_entry(update, &entry, previous, event)?;
            }
            None => {
                let entry = entry(update, event_id);
                update.set(&entry, AttributeValue::M(to_item(&PendingRecord::from(event))?));
            }
        }
    }
    for (event_id, _) in before.iter().filter(|(event_id, _)| !after.holds(*event_id)) {
        let entry = entry(update, event_id);
        update.remove(entry);
    }
    Ok(())
}

/// The path of an event's entry.
fn entry(update: &mut UpdateBuilder, event_id: EventId) -> String {
    format!("#pending.{}", update.name(event_id))
}

fn revise_entry(
    update: &mut UpdateBuilder,
    entry: &str,
    before: &PendingEvent,
    after: &PendingEvent,
) -> Result<(), Failure> {
    let before = to_item(&PendingRecord::from(before))?;
    // Sorted, so that every try of a change sends the same request.
    let after = BTreeMap::from_iter(to_item(&PendingRecord::from(after))?);
    let removed: BTreeSet<_> = before.keys().filter(|name| !after.contains_key(*name)).collect();
    for name in removed {
        update.remove(format!("{entry}.#{name}"));
    }
    for (name, value) in after {
        if before.get(&name) != Some(&value) {
            update.set(&format!("{entry}.#{name}"), value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
