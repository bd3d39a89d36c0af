//! Reservations of one product at the same time go into one write.
//!
//! Two transactions on one product conflict, and one of them is cancelled (AWS Developer Guide,
//! "Amazon DynamoDB Transactions: How it works"). So what arrives for a product while its transaction
//! is under way waits, and goes together into the next one, as a database does with commits that wait
//! for one flush ("group commit"). Orders of other products are not held up.
//!
//! One of those that wait leads: it makes the write for all of its group and hands each its outcome.
//! Nothing is spawned, because Lambda freezes what runs in the background.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::identity::ProductId;
use domain::order::StoredOrder;
use tokio::sync::{Notify, oneshot};

use crate::backoff::{Backoff, seed};
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass, ItemReason};
use crate::ports::pending::{RESERVATION_ITEMS_MAX, ReservationCancelled, Reservations};
use crate::retry::{Unsettled, until_settled};

use super::inventory::Decision;

/// The longest pause before a write that met another one is tried again: some ten transactions. Longer
/// ones would let a group lose against those that come later.
const BUSY_PAUSE_MAX: Duration = Duration::from_millis(200);

/// The longest gap between two groups for one product: half a transaction.
const GAP_MAX: Duration = Duration::from_millis(10);

/// What a reservation comes to for one order.
#[derive(Debug)]
pub(super) enum Reserved {
    /// Its stock is taken, and its change is stored.
    Stored,
    /// The order was changed since it was read.
    Changed(Box<StoredOrder>),
    /// There is not enough stock for it and those before it.
    StockShort,
    /// It is not known to be stored.
    Failed(Failure),
}

/// An order that waits for its stock: as it was read, and its confirmation.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) stored: StoredOrder,
    pub(super) decision: Decision,
}

/// The groups of one process.
#[derive(Debug, Default)]
pub struct ReservationGroups {
    lanes: Mutex<Lanes>,
    /// A group has ended, so that another one may begin.
    ended: Notify,
    /// A member waits, and makes room for another event.
    joined: Notify,
}

#[derive(Debug, Default)]
struct Lanes {
    /// In the order of their arrival.
    waiting: VecDeque<Member>,
    /// The products of the groups whose write is under way.
    under_way: BTreeSet<ProductId>,
    /// The members of those groups beyond the leaders.
    led: usize,
    arrived: u64,
}

#[derive(Debug)]
struct Member {
    number: u64,
    request: Request,
    /// By when its own event is done with, or comes again.
    deadline: Deadline,
    reply: oneshot::Sender<Reserved>,
}

impl Member {
    fn products(&self) -> impl Iterator<Item = (ProductId, u32)> {
        let lines = self.request.stored.order.lines().iter();
        lines.map(|line| (line.product_id, line.quantity.get().into()))
    }

    fn product_ids(&self) -> BTreeSet<ProductId> {
        self.products().map(|(product, _)| product).collect()
    }

    fn answer(self, reserved: Reserved) {
        // Who has gone away meanwhile finds out from the order.
        drop(self.reply.send(reserved));
    }
}

/// A group whose write is under way. Its end, whatever it is, lets the next one begin.
struct Group<'a> {
    groups: &'a ReservationGroups,
    products: BTreeSet<ProductId>,
    /// How many members it began with, beyond the leader.
    led: usize,
    /// In the order of their arrival.
    members: Vec<Member>,
    /// For whom there is not enough stock beside the members. They are rejected once the members have
    /// theirs, and not before: what a member gives up may be enough for them.
    short: Vec<Member>,
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        let mut lanes = self.groups.lanes();
        lanes.under_way.retain(|product| !self.products.contains(product));
        lanes.led -= self.led;
        drop(lanes);
        self.groups.ended.notify_waiters();
    }
}

impl ReservationGroups {
    /// Takes an order's products out of stock and stores its confirmation, together with others that
    /// wait for the same products.
    pub(super) async fn reserve<Stock: Reservations>(
        &self,
        stock: &Stock,
        request: Request,
        deadline: Deadline,
    ) -> Reserved {
        let (number, mut reply) = self.join(request, deadline);
        loop {
            let mut ended = pin!(self.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            if !deadline.has_passed()
                && let Some(group) = self.begin(number)
            {
                group.write(stock, deadline).await;
            }
            tokio::select! {
                biased;
                reserved = &mut reply => return reserved.unwrap_or_else(|_| {
                    let gone = "whoever wrote for the group is gone";
                    Reserved::Failed(Failure::new(FailureClass::Conflict, gone))
                }),
                () = ended => {}
                () = tokio::time::sleep(deadline.remaining()) => {
                    // It leaves the queue, or what a group makes of it is found by its next delivery.
                    let late = "its time was over before its reservation was";
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

    /// How many orders wait for a write that another one makes, or will make: they are in work, and
    /// no call of theirs is under way.
    pub(super) fn waiting(&self) -> usize {
        let lanes = self.lanes();
        lanes.waiting.len() + lanes.led
    }

    /// Returns once another order waits. Cancel-safe, for one caller at a time.
    pub(super) async fn joined(&self) {
        self.joined.notified().await;
    }

    /// Begins a group that a member leads: with all that share a product with it. None if the member
    /// has to wait, or is in a group already.
    ///
    /// A product is taken while a write of it is under way, and while an older member waits for it: so
    /// the oldest always gets its turn, however many products it needs.
    fn begin(&self, leader: u64) -> Option<Group<'_>> {
        let mut lanes = self.lanes();
        let Lanes { waiting, under_way, .. } = &mut *lanes;
        waiting.retain(|member| !member.reply.is_closed());
        let leads = waiting.iter().find(|member| member.number == leader)?;
        let mut products = leads.product_ids();
        let mut orders = BTreeSet::new();
        let mut chosen = BTreeSet::new();
        let mut taken = under_way.clone();
        for member in waiting.iter() {
            let own = member.product_ids();
            let is_free = own.is_disjoint(&taken);
            if member.number == leader && !is_free {
                return None;
            }
            let with_it = products.union(&own).count() + chosen.len() + 1;
            let fits = with_it <= RESERVATION_ITEMS_MAX;
            // A second copy of an order waits for the end of the first.
            let is_new = !orders.contains(&member.request.stored.order.id());
            if is_free && is_new && fits && !own.is_disjoint(&products) {
                products.extend(own);
                orders.insert(member.request.stored.order.id());
                chosen.insert(member.number);
            } else if member.number < leader {
                taken.extend(own);
            }
        }
        if !chosen.contains(&leader) {
            return None;
        }
        let (members, rest): (Vec<_>, Vec<_>) =
            mem::take(waiting).into_iter().partition(|member| chosen.contains(&member.number));
        *waiting = rest.into();
        under_way.extend(&products);
        let led = members.len() - 1;
        lanes.led += led;
        Some(Group { groups: self, products, led, members, short: Vec::new() })
    }

    /// Lets members wait again, each in the place of its arrival.
    fn return_to_queue(&self, members: Vec<Member>) {
        let mut lanes = self.lanes();
        lanes.waiting.extend(members);
        lanes.waiting.make_contiguous().sort_by_key(|member| member.number);
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one write of a group comes to.
enum Written {
    Stored,
    /// Nothing is stored: these orders were changed, by their place in the group, or so much of these
    /// products was found.
    Refused(BTreeMap<usize, StoredOrder>, BTreeMap<ProductId, u32>),
}

impl Group<'_> {
    /// Writes for all members, and hands each its outcome. Who stands in the way leaves the group, and
    /// the others go again.
    async fn write<Stock: Reservations>(mut self, stock: &Stock, deadline: Deadline) {
        while !self.members.is_empty() {
            match self.try_to_write(stock, deadline).await {
                Ok(Written::Stored) => {
                    let members = mem::take(&mut self.members);
                    members.into_iter().for_each(|member| member.answer(Reserved::Stored));
                }
                Ok(Written::Refused(changed, short)) => self.part_with(changed, short),
                Err(Unsettled { failure, .. }) => return self.give_back(&failure),
            }
        }
        let short = mem::take(&mut self.short);
        short.into_iter().for_each(|member| member.answer(Reserved::StockShort));
        self.leave_a_gap(deadline).await;
    }

    /// Where others of this process wait for the same products, those of other processes may as well:
    /// without a gap between its groups one process would keep them all busy, and whoever meets a
    /// group that is under way would lose each time.
    async fn leave_a_gap(&self, deadline: Deadline) {
        let number = {
            let lanes = self.groups.lanes();
            let is_wanted =
                |member: &Member| member.products().any(|(id, _)| self.products.contains(&id));
            lanes.waiting.iter().any(is_wanted).then_some(lanes.arrived)
        };
        if let Some(number) = number {
            Backoff::new(GAP_MAX, GAP_MAX, number).wait(deadline).await;
        }
    }

    /// The write is refused for good, or the leader's time is over: then whoever has time left waits
    /// for another leader.
    fn give_back(mut self, failure: &Failure) {
        let is_final = failure.class == FailureClass::Permanent;
        let all = mem::take(&mut self.members).into_iter().chain(mem::take(&mut self.short));
        let (late, waiting): (Vec<_>, Vec<_>) =
            all.partition(|member| is_final || member.deadline.has_passed());
        for member in late {
            let failed = Failure::new(failure.class, crate::outcome::chain(failure));
            member.answer(Reserved::Failed(failed));
        }
        self.groups.return_to_queue(waiting);
    }

    /// Tries again while items are busy. Where the fate of a try is unknown, the next one says which
    /// orders it has changed.
    async fn try_to_write<Stock: Reservations>(
        &self,
        stock: &Stock,
        deadline: Deadline,
    ) -> Result<Written, Unsettled> {
        let changes: Vec<_> = self
            .members
            .iter()
            .map(|member| member.request.decision.change(&member.request.stored))
            .collect();
        let mut take = BTreeMap::new();
        for (product, quantity) in self.members.iter().flat_map(Member::products) {
            *take.entry(product).or_insert(0) += quantity;
        }
        let first = self
            .members
            .first()
            .map_or(0, |member| seed(member.request.stored.order.id().as_uuid()));
        let pause = Backoff::new(Duration::from_millis(5), BUSY_PAUSE_MAX, first);
        let reserve = |within| stock.reserve(&changes, &take, within);
        until_settled(deadline, pause, reserve, |written, _| match written {
            Ok(()) => Some(Written::Stored),
            Err(cancelled) => judge(cancelled),
        })
        .await
    }

    /// Parts with those who stand in the way: orders that were changed, and, where a product is short,
    /// those that don't fit into what was found, the last that arrived first. When an order was
    /// changed, those that did not fit before may fit now.
    fn part_with(
        &mut self,
        mut changed: BTreeMap<usize, StoredOrder>,
        short: BTreeMap<ProductId, u32>,
    ) {
        if !changed.is_empty() {
            let members = mem::take(&mut self.members);
            for (place, member) in members.into_iter().enumerate() {
                match changed.remove(&place) {
                    Some(found) => member.answer(Reserved::Changed(Box::new(found))),
                    None => self.members.push(member),
                }
            }
            self.members.append(&mut self.short);
            self.members.sort_by_key(|member| member.number);
            return;
        }
        let mut left = short;
        for member in mem::take(&mut self.members) {
            let fits = member
                .products()
                .all(|(product, quantity)| left.get(&product).is_none_or(|left| quantity <= *left));
            if !fits {
                self.short.push(member);
                continue;
            }
            for (product, quantity) in member.products() {
                if let Some(left) = left.get_mut(&product) {
                    *left -= quantity;
                }
            }
            self.members.push(member);
        }
    }
}

/// What a cancelled write says, in the order in which it may be asked. A busy item hides what its
/// condition would have said, so it comes before the stock. `None`: it is tried again.
fn judge(cancelled: ReservationCancelled) -> Option<Written> {
    let ReservationCancelled { orders, stock } = cancelled;
    let is_busy = orders.iter().any(ItemReason::is_busy) || stock.values().any(ItemReason::is_busy);
    let failed = orders.into_iter().enumerate().filter_map(|(place, reason)| match reason {
        ItemReason::ConditionFailed(found) => Some((place, found)),
        ItemReason::None | ItemReason::Busy => None,
    });
    // What can't be read settles nothing.
    let changed = failed
        .map(|(place, found)| found.map(|found| (place, found)))
        .collect::<Option<BTreeMap<_, _>>>()?;
    if !changed.is_empty() {
        return Some(Written::Refused(changed, BTreeMap::new()));
    }
    if is_busy {
        return None;
    }
    let short: BTreeMap<_, _> = stock
        .into_iter()
        .filter_map(|(product, reason)| match reason {
            ItemReason::ConditionFailed(found) => Some((product, found.unwrap_or(0))),
            ItemReason::None | ItemReason::Busy => None,
        })
        .collect();
    (!short.is_empty()).then_some(Written::Refused(changed, short))
}
