//! Stops and starts the broker.

use std::sync::atomic::{AtomicBool, Ordering};

use harness::broker::Rocketmq;
use serde::Serialize;
use tokio::sync::Mutex;

use super::{Buttons, Pressed};

/// The state of the broker, as far as the buttons know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BrokerState {
    /// It is somebody else's, so the buttons leave it alone.
    #[default]
    Elsewhere,
    Running,
    Stopping,
    Stopped,
    Starting,
}

/// The cluster of this run.
pub(super) struct BrokerSwitch {
    cluster: Mutex<Option<Rocketmq>>,
    is_ours: AtomicBool,
}

impl BrokerSwitch {
    pub(super) fn new(cluster: Option<Rocketmq>) -> Self {
        let is_ours = AtomicBool::new(cluster.is_some());
        Self { cluster: Mutex::new(cluster), is_ours }
    }

    pub(super) fn state(&self) -> BrokerState {
        match self.is_ours.load(Ordering::Relaxed) {
            true => BrokerState::Running,
            false => BrokerState::Elsewhere,
        }
    }

    pub(super) async fn take(&self) -> Option<Rocketmq> {
        self.cluster.lock().await.take()
    }
}

impl Buttons {
    pub(super) fn stop_broker(&self) -> anyhow::Result<Pressed> {
        self.switch(BrokerState::Running, BrokerState::Stopping)?;
        let buttons = self.clone();
        self.job("stopping the broker".to_owned(), async move |_| {
            if let Some(parts) = buttons.0.parts.get()
                && let Some(cluster) = parts.broker.cluster.lock().await.as_mut()
            {
                cluster.stop_broker().await;
                buttons.broker_is(BrokerState::Stopped, "the broker is stopped");
            }
        });
        Ok(Pressed::said(
            "The broker stops. Orders are created all the same: their events wait in the table, \
             and the sweep publishes them once the broker is back.",
        ))
    }

    pub(super) fn start_broker(&self) -> anyhow::Result<Pressed> {
        self.switch(BrokerState::Stopped, BrokerState::Starting)?;
        let buttons = self.clone();
        self.job("starting the broker".to_owned(), async move |_| {
            if let Some(parts) = buttons.0.parts.get()
                && let Some(cluster) = parts.broker.cluster.lock().await.as_mut()
            {
                match cluster.restart_broker().await {
                    Ok(()) => buttons.broker_is(BrokerState::Running, "the broker is back"),
                    Err(error) => {
                        let text = format!("the broker did not start: {error:#}");
                        buttons.broker_is(BrokerState::Stopped, &text);
                    }
                }
            }
        });
        Ok(Pressed::said("The broker starts on its old store. That takes some seconds."))
    }

    fn switch(&self, from: BrokerState, to: BrokerState) -> anyhow::Result<()> {
        let mut faults = self.faults();
        anyhow::ensure!(
            faults.broker != BrokerState::Elsewhere,
            "This run uses a cluster that it did not start, and leaves it alone."
        );
        anyhow::ensure!(faults.broker == from, "The broker is {:?}.", faults.broker);
        faults.broker = to;
        Ok(())
    }

    fn broker_is(&self, state: BrokerState, text: &str) {
        self.faults().broker = state;
        self.0.feed.note(text);
    }
}
