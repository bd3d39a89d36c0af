//! What stands in for DynamoDB: the same conditions, all or nothing, and the same reports.
//!
//! A call waits for nothing but its turn. A call whose answer never comes takes all its time, as
//! far as its port gives it one.

mod aggregate_reads;
mod aggregates;
mod dead_letters;
mod orders;
mod rows;
mod sessions;
mod users;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{Activity, DeadLetter, Whose};
use domain::aggregate::AggregateKey;
use domain::identity::{ProductId, UserId};
use domain::product::Product;
use domain::timestamp::Timestamp;
use domain::user::{Account, UserEvents};

use crate::fault::{Fault, Operation};
use crate::weather::Weather;
pub use aggregates::IndexEntry;
use rows::Rows;

/// All tables. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryTables(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rows: Rows,
    /// What goes wrong with the next calls, one after the other.
    next: HashMap<Operation, VecDeque<Fault>>,
    /// What goes wrong with every call that has nothing in `next`.
    lasting: HashMap<Operation, Fault>,
    /// Writes whose callers have given them up.
    late: Vec<LateWrite>,
    calls: HashMap<Operation, u64>,
    weather: Weather,
}

type LateWrite = Box<dyn FnOnce(&mut Rows) + Send>;

/// A write on its way. When its process dies before it arrives, it may arrive all the same.
struct UnderWay<'a, T, W: FnOnce(&mut Rows) -> T + Send + 'static> {
    tables: &'a MemoryTables,
    write: Option<W>,
}

impl<T, W: FnOnce(&mut Rows) -> T + Send + 'static> UnderWay<'_, T, W> {
    fn arrives(mut self) -> W {
        self.write.take().unwrap()
    }
}

impl<T, W: FnOnce(&mut Rows) -> T + Send + 'static> Drop for UnderWay<'_, T, W> {
    fn drop(&mut self) {
        let Some(write) = self.write.take() else { return };
        let mut state = self.tables.state();
        if state.weather.lands_after_crash() {
            state.late.push(Box::new(move |rows| drop(write(rows))));
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Faults on demand.
impl MemoryTables {
    /// What goes wrong with the next calls, one fault each.
    pub fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.state().next.entry(operation).or_default().extend(faults);
    }

    /// What goes wrong with every call, until it is healed.
    pub fn break_down(&self, operation: Operation, fault: Fault) {
        self.state().lasting.insert(operation, fault);
    }

    /// Ends all that goes wrong with a call.
    pub fn heal(&self, operation: Operation) {
        let mut state = self.state();
        state.lasting.remove(&operation);
        state.next.remove(&operation);
    }

    /// Lets those of the writes arrive that were under way of which `arrives` says so, in their
    /// order. Returns how many.
    pub fn land_some_late_writes(&self, arrives: impl Fn() -> bool) -> usize {
        let mut state = self.state();
        let (landing, late): (Vec<_>, Vec<_>) =
            mem::take(&mut state.late).into_iter().partition(|_| arrives());
        state.late = late;
        let count = landing.len();
        for write in landing {
            write(&mut state.rows);
        }
        count
    }

    /// Lets the writes arrive that were under way, in their order. Returns how many.
    pub fn land_late_writes(&self) -> usize {
        let mut state = self.state();
        let late = mem::take(&mut state.late);
        let count = late.len();
        for write in late {
            write(&mut state.rows);
        }
        count
    }

    /// What goes wrong besides, at random.
    pub fn set_weather(&self, weather: &Weather) {
        self.state().weather = weather.clone();
    }

    /// How often a method was called.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.state().calls.get(&operation).copied().unwrap_or_default()
    }
}

/// What the tables hold.
impl MemoryTables {
    /// Puts a product, over one that is there.
    pub fn put_product(&self, product: Product) {
        self.state().rows.products.insert(product.id, product);
    }

    /// Takes a product out of the catalog.
    pub fn remove_product(&self, product: ProductId) {
        self.state().rows.products.remove(&product);
    }

    /// How many of a product can still be promised.
    pub fn stock_of(&self, product: ProductId) -> Option<u32> {
        self.state().rows.products.get(&product).map(|product| product.stock)
    }

    /// All activities, in the order in which they were recorded.
    pub fn activities(&self) -> Vec<(Whose, Activity)> {
        self.state().rows.activities.clone()
    }

    /// A user's account.
    pub fn account(&self, user_id: UserId) -> Option<Account> {
        self.state().rows.account(user_id).cloned()
    }

    /// What an account or a session keeps of its events; none if there is neither.
    pub fn user_events(&self, key: AggregateKey) -> Option<UserEvents> {
        Some(self.state().rows.events_of(key)?.stored.clone())
    }

    /// When an account or a session is deleted by its time to live.
    pub fn expiry_of(&self, key: AggregateKey) -> Option<Timestamp> {
        self.state().rows.events_of(key)?.expires_at
    }

    /// The keys of all accounts and sessions, also of accounts that are deleted.
    pub fn user_aggregates(&self) -> Vec<AggregateKey> {
        let state = self.state();
        let accounts = state.rows.accounts.keys();
        let sessions = state.rows.sessions.keys();
        let accounts = accounts.map(|user_id| AggregateKey::Account { user_id: *user_id });
        let sessions = sessions.map(|id| AggregateKey::Session { session_id: *id });
        accounts.chain(sessions).collect()
    }

    /// Puts a dead letter, over one of its id.
    pub fn put_dead_letter(&self, letter: DeadLetter) {
        self.state().rows.dead_letters.insert(letter.id(), letter);
    }

    /// All dead letters.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state().rows.dead_letters.values().cloned().collect()
    }
}

impl MemoryTables {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The way of a call or of its answer.
    async fn travel(&self) {
        let weather = self.state().weather.clone();
        weather.travel().await;
    }

    fn under_way<T, W: FnOnce(&mut Rows) -> T + Send + 'static>(
        &self,
        write: W,
    ) -> UnderWay<'_, T, W> {
        UnderWay { tables: self, write: Some(write) }
    }

    /// Counts a call and tells what goes wrong with it.
    async fn call(&self, operation: Operation) -> Option<Fault> {
        self.travel().await;
        let mut state = self.state();
        *state.calls.entry(operation).or_default() += 1;
        let next = state.next.get_mut(&operation).and_then(VecDeque::pop_front);
        next.or_else(|| state.lasting.get(&operation).copied())
            .or_else(|| state.weather.table_fault(operation))
    }

    async fn read<T>(
        &self,
        operation: Operation,
        read: impl FnOnce(&Rows) -> T,
    ) -> Result<T, Failure> {
        match self.call(operation).await {
            None => {
                let found = read(&self.state().rows);
                self.travel().await;
                Ok(found)
            }
            Some(fault) => Err(fault.failure()),
        }
    }

    /// Makes one try of a conditional write. `busy` is what is reported of items that are.
    async fn write<R>(
        &self,
        operation: Operation,
        deadline: Deadline,
        busy: R,
        write: impl FnOnce(&mut Rows) -> Result<(), R> + Send + 'static,
    ) -> WriteTry<R> {
        if deadline.has_passed() {
            let cause = "its deadline passed before it was sent";
            return WriteTry::Refused(Failure::new(FailureClass::Unavailable, cause));
        }
        let under_way = self.under_way(write);
        let fault = self.call(operation).await;
        let write = under_way.arrives();
        match fault {
            None => {
                let written = write(&mut self.state().rows);
                self.travel().await;
                match written {
                    // The answer came too late: whether it was a yes or a no, nobody has heard it.
                    _ if deadline.has_passed() => {}
                    Ok(()) => return WriteTry::Done,
                    Err(reasons) => return WriteTry::Cancelled(reasons),
                }
            }
            Some(Fault::Busy) => return WriteTry::Cancelled(busy),
            Some(fault @ Fault::Refused(_)) => return WriteTry::Refused(fault.failure()),
            Some(fault) => self.lose(fault, write),
        }
        tokio::time::sleep(deadline.remaining()).await;
        WriteTry::Unknown(fault.unwrap_or(Fault::RequestLost).failure())
    }

    /// What becomes of a write whose answer never comes.
    fn lose<R>(
        &self,
        fault: Fault,
        write: impl FnOnce(&mut Rows) -> Result<(), R> + Send + 'static,
    ) {
        let mut state = self.state();
        match fault {
            // Whether it took effect or was cancelled: nobody hears of it.
            Fault::ReplyLost => drop(write(&mut state.rows)),
            Fault::LandsLate => state.late.push(Box::new(move |rows| drop(write(rows)))),
            Fault::RequestLost | Fault::Refused(_) | Fault::Busy => {}
        }
    }

    /// Makes one try of a write that has one condition and no deadline: whether the condition held.
    async fn change_if(
        &self,
        operation: Operation,
        change: impl FnOnce(&mut Rows) -> bool + Send + 'static,
    ) -> Result<bool, Failure> {
        let under_way = self.under_way(change);
        let fault = self.call(operation).await;
        let change = under_way.arrives();
        match fault {
            None => {
                let changed = change(&mut self.state().rows);
                self.travel().await;
                Ok(changed)
            }
            Some(fault) => {
                self.lose(fault, |rows| if change(rows) { Ok(()) } else { Err(()) });
                Err(fault.failure())
            }
        }
    }
}
