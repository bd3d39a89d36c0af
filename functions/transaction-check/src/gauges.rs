//! The cluster's gauges of our messages, read once a window.

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::Failure;
use application::ports::ClusterGauges;

const TIME_MAX: Duration = Duration::from_secs(5);

/// A gauge that could not be read is `None` and gets no sample: an alarm must not read silence as
/// zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauges {
    /// The result of [`ClusterGauges::half_messages_discarded`].
    pub half_messages_discarded: Option<u64>,
    /// The result of [`ClusterGauges::consumer_lag`].
    pub consumer_lag: Option<u64>,
}

impl Gauges {
    /// Reads all gauges from the cluster, within 5 s.
    pub async fn read(cluster: &impl ClusterGauges) -> Self {
        let deadline = Deadline::after(TIME_MAX);
        let (discarded, lag) = futures::join!(
            cluster.half_messages_discarded(deadline),
            cluster.consumer_lag(deadline)
        );
        Self {
            half_messages_discarded: read(discarded, "how many half messages were discarded"),
            consumer_lag: read(lag, "how many events wait for their consumer"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "CloudWatch's numbers are of this type")]
    pub fn count(self) {
        let gauges = [
            ("HalfMessagesDiscarded", self.half_messages_discarded),
            ("ConsumerLag", self.consumer_lag),
        ];
        for (name, value) in gauges {
            match value {
                Some(value) => metrics::histogram!(name).record(value as f64),
                None => metrics::counter!("FailedGauges").increment(1),
            }
        }
    }
}

fn read(gauge: Result<u64, Failure>, what: &'static str) -> Option<u64> {
    gauge
        .inspect_err(|failure| {
            tracing::warn!(
                error = failure as &dyn std::error::Error,
                what,
                "a gauge of the cluster cannot be read"
            );
        })
        .ok()
}
