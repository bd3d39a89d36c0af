#![doc = include_str!("../README.md")]

mod entropy;
mod gateway;
mod host;
mod process;
mod schedules;
mod tasks;
mod template;
mod wall_clock;

pub use gateway::{BODY_BYTES_MAX, Gateway, INTEGRATION_TIMEOUT};
pub use host::{
    ACCOUNT_ID, FileSink, HostOptions, InstanceInfo, InvokeError, InvokeResult, LambdaHost,
    LogSink, OutputStream, ProcessChange, ProcessObserver, REGION, Signal, WriterSink,
};
pub use process::{Child, Children, shutdown_signal};
pub use schedules::{JITTER_MAX, Schedules};
pub use tasks::Tasks;
pub use template::{
    DEFAULT_ROUTE, FunctionSpec, IndexSpec, KeyAttribute, KeyType, Permission, Route, Schedule,
    TableSpec, Template, TemplateError, yaml_document,
};
