//! Reservations of one product at the same time go into one write.
//!
//! Two transactions on one product conflict, and one of them is cancelled (AWS Developer Guide,
//! "Amazon DynamoDB Transactions: How it works"). So orders that arrive for a product while its
//! transaction is under way wait, and go together into the next one, as a database does with
//! commits that wait for one flush ("group commit"). Orders of other products are not delayed.
//!
//! A reservation also counts its units as open ones of its account, in the same write, and is
//! refused if the account would hold too many (ADR 0019). So two orders of one account conflict
//! like two orders of one product.
//!
//! One of the waiting orders leads: it makes the write for all of its group and sends each member
//! the result. Nothing is spawned, because Lambda freezes background tasks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::identity::ProductId;
use domain::order::{OpenCount, StoredOrder};
use tokio::sync::{Notify, oneshot};

use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, ItemReason};
use crate::ports::stock::{RESERVATION_ITEMS_MAX, ReservationCancelled, Reservations, Taking};
use crate::retry::{Unsettled, until_settled};

use super::inventory::Decision;

/// The longest pause before a write that conflicted with another one is tried again: the time of
/// about ten transactions. With a longer pause, a group would lose against groups that come later.
const BUSY_PAUSE_MAX: Duration = Duration::from_millis(200);

/// The longest gap between two groups for one product: the time of half a transaction.
const GAP_MAX: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) enum Reserved {
    /// The order's stock is taken, and its change is stored.
    Stored,
    /// The order was changed after it was read.
    Changed(Box<StoredOrder>),
    /// There is not enough for the order and those before it.
    Short(Shortage),
    /// The change is not stored, or whether it is stored is unknown.
    Failed(Failure),
}

/// What there is not enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    Stock,
    /// Open units that the account may still have.
    OpenUnits,
}

/// An order that waits for its stock: as it was read, and its confirmation.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) stored: StoredOrder,
    pub(super) decision: Decision,
}

/// The groups of one process. By default no open units are counted.
#[derive(Debug, Default)]
pub struct ReservationGroups {
    /// How many open units an account may hold; `None` if they are not counted.
    open_units_max: Option<u32>,
    lanes: Mutex<Lanes>,
    /// Signals that a group has ended, so that another one may begin.
    ended: Notify,
    /// Signals that a member waits, so that another event can be handled.
    joined: Notify,
}

#[derive(Debug, Default)]
struct Lanes {
    /// In the order of their arrival.
    waiting: VecDeque<Member>,
    /// The items from which groups with a write under way take units.
    under_way: BTreeSet<Source>,
    /// The number of members of those groups, without the leaders.
    led: usize,
    arrived: u64,
}

/// An item that a reservation takes units from, which no other write may change meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Product(ProductId),
    /// The open units that an account may still have.
    Account(OpenCount),
}

impl Source {
    const fn is_product(self) -> bool {
        matches!(self, Self::Product(_))
    }
}

#[derive(Debug)]
struct Member {
    number: u64,
    request: Request,
    /// By when the order's own event must be handled; otherwise the event is delivered again.
    deadline: Deadline,
    reply: oneshot::Sender<Reserved>,
}

impl Member {
    /// The items from which the order takes units, and how many of each.
    fn takes(&self) -> impl Iterator<Item = (Source, u32)> {
        let order = &self.request.stored.order;
        let stock = order.lines().iter();
        let stock =
            stock.map(|line| (Source::Product(line.product_id), line.quantity.get().into()));
        let count = self.request.decision.open_count();
        stock.chain(count.map(|count| (Source::Account(count), order.units())))
    }

    fn sources(&self) -> BTreeSet<Source> {
        self.takes().map(|(source, _)| source).collect()
    }

    fn answer(self, reserved: Reserved) {
        // If the receiver is gone, the next delivery finds the result in the order.
        drop(self.reply.send(reserved));
    }
}

/// A group whose write is under way. Its end, whatever it is, lets the next one begin.
struct Group<'a> {
    groups: &'a ReservationGroups,
    sources: BTreeSet<Source>,
    /// How many members the group began with, without the leader.
    led: usize,
    /// In the order of their arrival.
    members: Vec<Member>,
    /// Members for which there is not enough. They are rejected only after the others are stored:
    /// another member may be cancelled, and the units that it leaves may be enough for them.
    short: Vec<(Member, Shortage)>,
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        let mut lanes = self.groups.lanes();
        lanes.under_way.retain(|source| !self.sources.contains(source));
        lanes.led -= self.led;
        drop(lanes);
        self.groups.ended.notify_waiters();
    }
}

impl ReservationGroups {
    /// Groups that count open units and refuse what exceeds `open_units_max`, or don't count them.
    pub fn limited(open_units_max: Option<u32>) -> Self {
        Self { open_units_max, ..Self::default() }
    }

    pub(super) const fn counts_open_units(&self) -> bool {
        self.open_units_max.is_some()
    }

    /// Takes an order's products out of stock and stores its confirmation, together with others
    /// that wait for the same products.
    pub(super) async fn reserve<Stock: Reservations>(
        &self,
        stock: &Stock,
        request: Request,
        deadline: Deadline,
    ) -> Reserved {
        let (number, mut reply) = self.join(request, deadline);
        loop {
            let mut ended = pin!(self.ended.notified());
            // From here on, no signal is missed.
            ended.as_mut().enable();
            if !deadline.has_passed()
                && let Some(group) = self.begin(number)
            {
                group.write(stock, deadline).await;
            }
            tokio::select! {
                biased;
                reserved = &mut reply => return reserved.unwrap_or_else(|_| {
                    let gone = "the leader of the group is gone";
                    Reserved::Failed(Failure::new(FailureClass::Conflict, gone))
                }),
                () = ended => {}
                () = tokio::time::sleep(deadline.remaining()) => {
                    // It leaves the queue, or its next delivery finds what its group has stored.
                    let late = "its time was over before its reservation was stored";
                    return Reserved::Failed(Failure::new(FailureClass::Conflict, late));
                }
            }
        }
    }

    fn join(&self, request: Request, deadline: Deadline) -> (u64, oneshot::Receiver<Reserved>) {
        let (reply, receiver) = oneshot::channel();
        let mut lanes = self.lanes();
        lanes.arrived += 1;
        let number = lanes.arrived;
        lanes.waiting.push_back(Member { number, request, deadline, reply });
        drop(lanes);
        self.joined.notify_one();
        (number, receiver)
    }

    /// How many orders wait for a write that another order makes or will make. These orders are
    /// being handled, but make no call.
    pub(super) fn waiting(&self) -> usize {
        let lanes = self.lanes();
        lanes.waiting.len() + lanes.led
    }

    /// Returns once another order waits. Cancel-safe, for one caller at a time.
    pub(super) async fn joined(&self) {
        self.joined.notified().await;
    }

    /// Begins a group with `leader` and all members that share a product with it, and the other
    /// orders of its account. `None` if the leader has to wait, or is in a group already.
    ///
    /// A product is blocked while a write of it is under way, and while an older member waits for
    /// it: so the oldest member always gets its turn, however many products it needs. A member that
    /// waits for its own account blocks only that account: one account's orders don't hold up a
    /// product.
    fn begin(&self, leader: u64) -> Option<Group<'_>> {
        let mut lanes = self.lanes();
        let Lanes { waiting, under_way, .. } = &mut *lanes;
        waiting.retain(|member| !member.reply.is_closed());
        let leads = waiting.iter().find(|member| member.number == leader)?;
        let mut sources = leads.sources();
        // What others may share. An order that joins by its account shares nothing with others: one
        // account with orders of two popular products would make one group of both.
        let mut shared = sources.clone();
        let mut orders = BTreeSet::new();
        let mut chosen = BTreeSet::new();
        let mut blocked = under_way.clone();
        for member in waiting.iter() {
            let wanted = member.sources();
            let is_free = wanted.is_disjoint(&blocked);
            if member.number == leader && !is_free {
                return None;
            }
            let items = sources.union(&wanted).count() + chosen.len() + 1;
            let fits = items <= RESERVATION_ITEMS_MAX;
            // A second copy of an order waits until the first has ended.
            let is_new = !orders.contains(&member.request.stored.order.id());
            let has = |source: &&Source| shared.contains(*source);
            let joins = wanted.iter().find(has).copied();
            if is_free && is_new && fits && joins.is_some() {
                if joins.is_some_and(Source::is_product) {
                    shared.extend(wanted.iter().copied().filter(|source| source.is_product()));
                }
                sources.extend(wanted);
                orders.insert(member.request.stored.order.id());
                chosen.insert(member.number);
            } else if member.number < leader {
                let waits_for_account =
                    wanted.iter().any(|source| !source.is_product() && blocked.contains(source));
                blocked.extend(
                    wanted.into_iter().filter(|source| !waits_for_account || !source.is_product()),
                );
            }
        }
        if !chosen.contains(&leader) {
            return None;
        }
        let (members, rest): (Vec<_>, Vec<_>) =
            mem::take(waiting).into_iter().partition(|member| chosen.contains(&member.number));
        *waiting = rest.into();
        under_way.extend(&sources);
        let led = members.len() - 1;
        lanes.led += led;
        Some(Group { groups: self, sources, led, members, short: Vec::new() })
    }

    /// Puts members back into the queue, in the order of their arrival.
    fn return_to_queue(&self, members: Vec<Member>) {
        let mut lanes = self.lanes();
        lanes.waiting.extend(members);
        lanes.waiting.make_contiguous().sort_by_key(|member| member.number);
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum GroupWrite {
    Stored,
    /// Nothing is stored: these orders, by their position in the group, were changed after they
    /// were read, or only so many units are left of these items.
    Refused(BTreeMap<usize, StoredOrder>, BTreeMap<Source, u32>),
}

impl Group<'_> {
    /// Writes for all members, and sends each its result. Members that prevent the write leave the
    /// group, and the others are tried again.
    async fn write<Stock: Reservations>(mut self, stock: &Stock, deadline: Deadline) {
        while !self.members.is_empty() {
            match self.try_to_write(stock, deadline).await {
                Ok(GroupWrite::Stored) => {
                    let members = mem::take(&mut self.members);
                    members.into_iter().for_each(|member| member.answer(Reserved::Stored));
                }
                Ok(GroupWrite::Refused(changed, short)) => self.remove(changed, short),
                Err(Unsettled { failure, .. }) => return self.give_back(&failure),
            }
        }
        let short = mem::take(&mut self.short);
        for (member, shortage) in short {
            member.answer(Reserved::Short(shortage));
        }
        self.leave_a_gap(deadline).await;
    }

    /// If orders of this process wait for the same products, orders of other processes may wait as
    /// well. Without a gap between its groups, one process would keep the products busy all the
    /// time, and the others would lose each time.
    async fn leave_a_gap(&self, deadline: Deadline) {
        let number = {
            let lanes = self.groups.lanes();
            let is_wanted =
                |member: &Member| member.takes().any(|(source, _)| self.sources.contains(&source));
            lanes.waiting.iter().any(is_wanted).then_some(lanes.arrived)
        };
        if let Some(number) = number {
            Backoff::new(GAP_MAX, GAP_MAX, number).wait(deadline).await;
        }
    }

    /// Ends the group when the write is refused for good or the leader's time is over. In the
    /// second case, members that have time left wait for another leader.
    fn give_back(mut self, failure: &Failure) {
        let is_final = failure.class == FailureClass::Permanent;
        let short = mem::take(&mut self.short).into_iter().map(|(member, _)| member);
        let all = mem::take(&mut self.members).into_iter().chain(short);
        let (late, waiting): (Vec<_>, Vec<_>) =
            all.partition(|member| is_final || member.deadline.has_passed());
        for member in late {
            let failed = Failure::new(failure.class, crate::outcome::chain(failure));
            member.answer(Reserved::Failed(failed));
        }
        self.groups.return_to_queue(waiting);
    }

    /// Tries again while items are busy. If the outcome of a try is unknown, the next one finds the
    /// orders that it has changed.
    async fn try_to_write<Stock: Reservations>(
        &self,
        stock: &Stock,
        deadline: Deadline,
    ) -> Result<GroupWrite, Unsettled> {
        let changes: Vec<_> = self
            .members
            .iter()
            .map(|member| member.request.decision.change(&member.request.stored))
            .collect();
        let open_max = self.groups.open_units_max.unwrap_or(u32::MAX);
        let mut take = Taking { open_max, ..Taking::default() };
        for (source, units) in self.members.iter().flat_map(Member::takes) {
            *match source {
                Source::Product(product_id) => take.stock.entry(product_id).or_insert(0),
                Source::Account(count) => take.open.entry(count).or_insert(0),
            } += units;
        }
        let first = self
            .members
            .first()
            .map_or(0, |member| seed(member.request.stored.order.id().as_uuid()));
        let pause = Backoff::new(Duration::from_millis(5), BUSY_PAUSE_MAX, first);
        let reserve = |within| stock.reserve(&changes, &take, within);
        until_settled(deadline, pause, reserve, |written, _| match written {
            Ok(()) => Some(GroupWrite::Stored),
            Err(cancelled) => judge(cancelled, open_max),
        })
        .await
    }

    /// Removes the members that prevent the write: orders that were changed, and, if something is
    /// short, orders that don't fit into what was found; the last to arrive go first. If an order
    /// was changed, those that did not fit before may fit now.
    fn remove(&mut self, mut changed: BTreeMap<usize, StoredOrder>, short: BTreeMap<Source, u32>) {
        if !changed.is_empty() {
            let members = mem::take(&mut self.members);
            for (position, member) in members.into_iter().enumerate() {
                match changed.remove(&position) {
                    Some(found) => member.answer(Reserved::Changed(Box::new(found))),
                    None => self.members.push(member),
                }
            }
            self.members.extend(mem::take(&mut self.short).into_iter().map(|(member, _)| member));
            self.members.sort_by_key(|member| member.number);
            return;
        }
        let mut left = short;
        for member in mem::take(&mut self.members) {
            let lacks = member
                .takes()
                .find(|(source, units)| left.get(source).is_some_and(|left| units > left));
            if let Some((source, _)) = lacks {
                let is_stock = source.is_product();
                let shortage = if is_stock { Shortage::Stock } else { Shortage::OpenUnits };
                self.short.push((member, shortage));
                continue;
            }
            for (source, units) in member.takes() {
                if let Some(left) = left.get_mut(&source) {
                    *left -= units;
                }
            }
            self.members.push(member);
        }
    }
}

/// The result of a cancelled write. First changed orders, then busy items, then what is short: a
/// busy item hides whether its condition would have failed. `None`: the write is tried again.
fn judge(cancelled: ReservationCancelled, open_max: u32) -> Option<GroupWrite> {
    let ReservationCancelled { orders, stock, open } = cancelled;
    let is_busy = orders.iter().any(ItemReason::is_busy)
        || stock.values().chain(open.values()).any(ItemReason::is_busy);
    let failed = orders.into_iter().enumerate().filter_map(|(position, reason)| match reason {
        ItemReason::ConditionFailed(found) => Some((position, found)),
        ItemReason::None | ItemReason::Busy => None,
    });
    // An order that can't be read settles nothing.
    let changed = failed
        .map(|(position, found)| found.map(|found| (position, found)))
        .collect::<Option<BTreeMap<_, _>>>()?;
    if !changed.is_empty() {
        return Some(GroupWrite::Refused(changed, BTreeMap::new()));
    }
    if is_busy {
        return None;
    }
    let stock = stock.into_iter().filter_map(|(product_id, reason)| match reason {
        ItemReason::ConditionFailed(found) => {
            Some((Source::Product(product_id), found.unwrap_or(0)))
        }
        ItemReason::None | ItemReason::Busy => None,
    });
    let open = open.into_iter().filter_map(|(count, reason)| match reason {
        ItemReason::ConditionFailed(found) => {
            Some((Source::Account(count), open_max.saturating_sub(found.unwrap_or(0))))
        }
        ItemReason::None | ItemReason::Busy => None,
    });
    let short: BTreeMap<_, _> = stock.chain(open).collect();
    (!short.is_empty()).then_some(GroupWrite::Refused(changed, short))
}

#[cfg(test)]
mod tests {
    use domain::identity::UserId;
    use domain::order::OpenPeriod;

    use super::*;

    const OPEN_MAX: u32 = 10;

    fn products() -> [ProductId; 2] {
        [1, 2].map(|id| ProductId::new(id).unwrap())
    }

    #[test]
    fn nothing_counts_as_short_while_another_item_is_busy() {
        let [one, other] = products();
        let short = || ItemReason::ConditionFailed(Some(3));
        let cancelled = |reason: ItemReason<u32>, order: ItemReason<StoredOrder>| {
            let stock = BTreeMap::from([(one, short()), (other, reason)]);
            ReservationCancelled { orders: vec![order], stock, open: BTreeMap::new() }
        };
        for busy in [
            cancelled(ItemReason::Busy, ItemReason::None),
            cancelled(ItemReason::None, ItemReason::Busy),
        ] {
            assert!(judge(busy, OPEN_MAX).is_none());
        }
        let judged = judge(cancelled(ItemReason::None, ItemReason::None), OPEN_MAX);
        let Some(GroupWrite::Refused(changed, left)) = judged else {
            panic!("it is not tried again")
        };
        assert!(changed.is_empty());
        assert_eq!(left, BTreeMap::from([(Source::Product(one), 3)]));
    }

    #[test]
    fn what_an_account_may_still_reserve_is_what_its_open_units_leave() {
        let user_id = UserId::new(1).unwrap();
        let count = OpenCount { user_id, period: OpenPeriod::new(0) };
        for (found, left) in [(Some(7), 3), (Some(10), 0), (Some(99), 0), (None, 10)] {
            let open = BTreeMap::from([(count, ItemReason::ConditionFailed(found))]);
            let (orders, stock) = (Vec::new(), BTreeMap::new());
            let judged = judge(ReservationCancelled { orders, stock, open }, OPEN_MAX);
            let Some(GroupWrite::Refused(_, short)) = judged else { panic!("{found:?}") };
            assert_eq!(short, BTreeMap::from([(Source::Account(count), left)]), "{found:?}");
        }
    }
}
