//! DynamoDB in memory: the same conditions, all or nothing, and the same reports.
//!
//! Without weather, a call waits only for its turn. A call whose answer never comes lasts until its
//! deadline, if its port has one.

mod aggregate_reads;
mod aggregates;
mod catalog;
mod dead_letters;
mod listing;
mod mails;
mod rows;
mod sessions;
mod users;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::{Activity, ActivityOwner, DeadLetter};
use domain::account::{Account, UserEvents};
use domain::aggregate::AggregateKey;
use domain::identity::{ProductId, UserId};
use domain::order::OpenCount;
use domain::product::Product;
use domain::timestamp::Timestamp;

use crate::fault::{Fault, Operation};
use crate::weather::Weather;
pub use aggregates::IndexEntry;
use rows::Rows;

/// All tables of a deployment. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryTables(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rows: Rows,
    next: HashMap<Operation, VecDeque<Fault>>,
    /// The fault of every call without a fault in `next`.
    lasting: HashMap<Operation, Fault>,
    /// Writes that take effect after their callers have given up.
    late: Vec<LateWrite>,
    calls: HashMap<Operation, u64>,
    weather: Weather,
}

type LateWrite = Box<dyn FnOnce(&mut Rows) + Send>;

/// A write on its way. If its process dies before the write arrives, it may still arrive.
struct UnderWay<'a, Output, Write: FnOnce(&mut Rows) -> Output + Send + 'static> {
    tables: &'a MemoryTables,
    write: Option<Write>,
}

impl<Output, Write: FnOnce(&mut Rows) -> Output + Send + 'static> UnderWay<'_, Output, Write> {
    fn arrives(mut self) -> Write {
        self.write.take().unwrap()
    }
}

impl<Output, Write: FnOnce(&mut Rows) -> Output + Send + 'static> Drop
    for UnderWay<'_, Output, Write>
{
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

impl MemoryTables {
    /// Sets one fault for each of the next calls.
    pub fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.state().next.entry(operation).or_default().extend(faults);
    }

    /// Every call of the operation meets the fault until [`MemoryTables::heal`].
    pub fn fail_every_call(&self, operation: Operation, fault: Fault) {
        self.state().lasting.insert(operation, fault);
    }

    /// Ends the scripted and the lasting faults of an operation.
    pub fn heal(&self, operation: Operation) {
        let mut state = self.state();
        state.lasting.remove(&operation);
        state.next.remove(&operation);
    }

    /// Applies the late writes for which `arrives` is true, in their order. Returns how many.
    pub fn apply_some_late_writes(&self, arrives: impl Fn() -> bool) -> usize {
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

    /// Applies all late writes in their order. Returns how many.
    pub fn apply_late_writes(&self) -> usize {
        let mut state = self.state();
        let late = mem::take(&mut state.late);
        let count = late.len();
        for write in late {
            write(&mut state.rows);
        }
        count
    }

    /// Adds random faults to the scripted and the lasting ones.
    pub fn set_weather(&self, weather: &Weather) {
        self.state().weather = weather.clone();
    }

    pub fn calls(&self, operation: Operation) -> u64 {
        self.state().calls.get(&operation).copied().unwrap_or_default()
    }
}

impl MemoryTables {
    /// Replaces a product with the same id.
    pub fn put_product(&self, product: Product) {
        self.state().rows.products.insert(product.id, product);
    }

    pub fn remove_product(&self, product: ProductId) {
        self.state().rows.products.remove(&product);
    }

    pub fn product(&self, product: ProductId) -> Option<Product> {
        self.state().rows.products.get(&product).cloned()
    }

    pub fn stock_of(&self, product: ProductId) -> Option<u32> {
        self.state().rows.products.get(&product).map(|product| product.stock)
    }

    /// How many units are counted; 0 where nothing was counted yet.
    pub fn open_units(&self, count: OpenCount) -> u32 {
        self.state().rows.open_units.get(&count).copied().unwrap_or_default()
    }

    /// Removes a count, as the table does once the count's period is over.
    pub fn remove_open_units(&self, count: OpenCount) {
        self.state().rows.open_units.remove(&count);
    }

    /// The activities in the order in which they were recorded.
    pub fn activities(&self) -> Vec<(ActivityOwner, Activity)> {
        self.state().rows.activities.clone()
    }

    /// The account; `None` if it does not exist or is deleted.
    pub fn account(&self, user_id: UserId) -> Option<Account> {
        self.state().rows.account(user_id).cloned()
    }

    /// `None` if the account or the session does not exist.
    pub fn user_events(&self, key: AggregateKey) -> Option<UserEvents> {
        Some(self.state().rows.events_of(key)?.stored.clone())
    }

    /// The time to live of an account or a session, if it has one.
    pub fn expiry_of(&self, key: AggregateKey) -> Option<Timestamp> {
        self.state().rows.events_of(key)?.expires_at
    }

    /// The keys of all accounts, sessions and requests for mails, including deleted accounts.
    pub fn user_aggregates(&self) -> Vec<AggregateKey> {
        let state = self.state();
        let accounts = state.rows.accounts.keys();
        let sessions = state.rows.sessions.keys();
        let mails = state.rows.mails.keys().map(|id| AggregateKey::Mail { mail_id: *id });
        let accounts = accounts.map(|user_id| AggregateKey::Account { user_id: *user_id });
        let sessions = sessions.map(|id| AggregateKey::Session { session_id: *id });
        accounts.chain(sessions).chain(mails).collect()
    }

    /// Replaces a letter with the same id.
    pub fn put_dead_letter(&self, letter: DeadLetter) {
        self.state().rows.dead_letters.insert(letter.id(), letter);
    }

    /// The letters in the order of their ids.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state().rows.dead_letters.values().cloned().collect()
    }
}

impl MemoryTables {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn travel(&self) {
        let weather = self.state().weather.clone();
        weather.travel().await;
    }

    fn under_way<Output, Write: FnOnce(&mut Rows) -> Output + Send + 'static>(
        &self,
        write: Write,
    ) -> UnderWay<'_, Output, Write> {
        UnderWay { tables: self, write: Some(write) }
    }

    async fn call(&self, operation: Operation) -> Option<Fault> {
        self.travel().await;
        let mut state = self.state();
        *state.calls.entry(operation).or_default() += 1;
        let next = state.next.get_mut(&operation).and_then(VecDeque::pop_front);
        next.or_else(|| state.lasting.get(&operation).copied())
            .or_else(|| state.weather.table_fault(operation))
    }

    async fn read<Output>(
        &self,
        operation: Operation,
        read: impl FnOnce(&Rows) -> Output,
    ) -> Result<Output, Failure> {
        match self.call(operation).await {
            None => {
                let found = read(&self.state().rows);
                self.travel().await;
                Ok(found)
            }
            Some(fault) => Err(fault.failure()),
        }
    }

    /// Makes one try of a conditional write. `busy` is the reason for items that another
    /// transaction holds.
    async fn write<Reason>(
        &self,
        operation: Operation,
        deadline: Deadline,
        busy: Reason,
        write: impl FnOnce(&mut Rows) -> Result<(), Reason> + Send + 'static,
    ) -> WriteTry<Reason> {
        if deadline.has_passed() {
            let cause = "its deadline passed before it was sent";
            return WriteTry::NotBegun(Failure::new(FailureClass::Unavailable, cause));
        }
        let under_way = self.under_way(write);
        let fault = self.call(operation).await;
        let write = under_way.arrives();
        match fault {
            None => {
                let written = write(&mut self.state().rows);
                self.travel().await;
                match written {
                    // The answer came too late for the caller, whatever it was.
                    _ if deadline.has_passed() => {}
                    Ok(()) => return WriteTry::Done,
                    Err(reasons) => return WriteTry::Cancelled(reasons),
                }
            }
            Some(Fault::Busy) => return WriteTry::Cancelled(busy),
            Some(fault @ Fault::Refused(_)) => return WriteTry::NotBegun(fault.failure()),
            Some(fault) => self.lose(fault, write),
        }
        tokio::time::sleep(deadline.remaining()).await;
        WriteTry::Unknown(fault.unwrap_or(Fault::RequestLost).failure())
    }

    /// The effect of a write whose answer never comes.
    fn lose<Reason>(
        &self,
        fault: Fault,
        write: impl FnOnce(&mut Rows) -> Result<(), Reason> + Send + 'static,
    ) {
        let mut state = self.state();
        match fault {
            // The write is done or cancelled; the caller does not learn which.
            Fault::ReplyLost => drop(write(&mut state.rows)),
            Fault::LandsLate => state.late.push(Box::new(move |rows| drop(write(rows)))),
            Fault::RequestLost | Fault::Refused(_) | Fault::Busy => {}
        }
    }

    /// Makes one try of a write with one condition and no deadline. Returns whether the condition
    /// held.
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
