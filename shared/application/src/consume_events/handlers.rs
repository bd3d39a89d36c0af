//! The handlers of this service.

mod inventory;
mod notification;
mod observer;

pub use inventory::InventoryHandler;
pub use notification::NotificationHandler;
pub use observer::ObserverHandler;
