//! Functions from which one part of the protocol is taken out: what the rows find must then break.
//!
//! They are composed from the functions' own libraries, with an adapter that leaves the part out.
//! No function of the product has such a switch; only the program `control-function` of these tests
//! runs them, in a function's place.

mod without_fence;
mod without_inbox;
mod without_sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use harness::system::SystemOptions;
use platform::settings::Settings;

use crate::rig::{EVENT_CONSUMER, TRANSACTION_CHECK};

/// The variable that tells the program which control it is.
const VARIABLE: &str = "CONTROL";

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// transaction-check rolls back without a fence.
    WithoutFence,
    /// transaction-check sweeps nothing.
    WithoutSweep,
    /// event-consumer's notifications leave no inbox records.
    WithoutInbox,
}

impl Control {
    const ALL: [Self; 3] = [Self::WithoutFence, Self::WithoutSweep, Self::WithoutInbox];

    const fn name(self) -> &'static str {
        match self {
            Self::WithoutFence => "without-fence",
            Self::WithoutSweep => "without-sweep",
            Self::WithoutInbox => "without-inbox",
        }
    }

    const fn function(self) -> &'static str {
        match self {
            Self::WithoutFence | Self::WithoutSweep => TRANSACTION_CHECK,
            Self::WithoutInbox => EVENT_CONSUMER,
        }
    }

    /// Puts the control in its function's place.
    pub fn stand_in(self, options: &mut SystemOptions) {
        let program: PathBuf = options.binaries.join("control-function");
        options.stand_ins.insert(self.function().to_owned(), program);
        let name = BTreeMap::from([(VARIABLE.to_owned(), self.name().to_owned())]);
        options.function_environment.entry(self.function().to_owned()).or_default().extend(name);
    }
}

/// Runs the control that the environment names, until Lambda ends it.
///
/// # Errors
/// When the environment names none, or it cannot start.
pub async fn run() -> anyhow::Result<()> {
    let mut settings = Settings::from_environment();
    let named = settings.required(VARIABLE, |text| {
        Control::ALL.into_iter().find(|control| control.name() == text).context("no such control")
    });
    match settings.finish(named)? {
        Control::WithoutFence => without_fence::run().await,
        Control::WithoutSweep => without_sweep::run().await,
        Control::WithoutInbox => without_inbox::run().await,
    }
}
