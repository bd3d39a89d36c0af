//! The parts of a SAM template that a local run needs: functions, routes, schedules, tables.

mod function;
mod load;
mod permission;
mod resolve;
mod schedule;
mod table;
mod yaml;

use std::collections::BTreeMap;

pub use function::{DEFAULT_ROUTE, FunctionSpec, Route};
pub use load::{TemplateError, yaml_document};
pub use permission::Permission;
pub use schedule::Schedule;
pub use table::{IndexSpec, KeyAttribute, KeyType, TableSpec};

/// A SAM template whose references have been resolved for one local stack.
///
/// It is the only description of the deployment. The host reads it instead of a second list, so
/// that a route, a timeout or a variable that is wrong on AWS is wrong here too. An intrinsic
/// function or a reference that cannot be resolved is an error that names it.
#[derive(Debug, Clone)]
pub struct Template {
    /// In the order of their logical ids.
    pub functions: Vec<FunctionSpec>,
    /// In the order of their logical ids.
    pub tables: Vec<TableSpec>,
    /// Values are defaults or the caller's.
    pub parameters: BTreeMap<String, String>,
    pub stack_name: String,
}

impl Template {
    /// `name` is also that of the function's binary.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// `logical_id` is such as `UsersTable`.
    #[must_use]
    pub fn table(&self, logical_id: &str) -> Option<&TableSpec> {
        self.tables.iter().find(|table| table.logical_id == logical_id)
    }
}
