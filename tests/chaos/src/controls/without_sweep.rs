use anyhow::anyhow;
use application::outcome::Failure;
use application::ports::{DueEvents, RecordedEvent, UnobservedEvents};
use domain::identity::EventId;
use domain::timestamp::Timestamp;
use dynamodb::{DynamoOutbox, DynamoTransactionLedger};
use lambda_runtime::{LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::settings::Settings;
use transaction_check::config::Config;
use transaction_check::{Handler, WindowEvent};

/// Sees no event that is due.
#[derive(Clone)]
struct WithoutSweep;

impl UnobservedEvents for WithoutSweep {
    async fn due(&self, _now: Timestamp, _limit: usize) -> Result<DueEvents, Failure> {
        Ok(DueEvents::default())
    }

    async fn find(&self, _event_id: EventId) -> Result<Option<RecordedEvent>, Failure> {
        Ok(None)
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    let config = Config::read(Settings::from_environment())?;
    let tables = dynamodb::connect().await;
    let handler = Handler {
        rocketmq: config.rocketmq,
        ledger: DynamoTransactionLedger::new(tables.clone(), config.events.clone()),
        unobserved: WithoutSweep,
        outbox: DynamoOutbox::new(tables, config.events),
        clock: SystemClock,
    };
    let handler = &handler;
    let window = service_fn(async |event: LambdaEvent<WindowEvent>| {
        let time_left = platform::deadline::time_left(event.context.deadline);
        Ok::<_, lambda_runtime::Error>(handler.handle(event.payload, time_left).await?)
    });
    lambda_runtime::run(window).await.map_err(|error| anyhow!(error))
}
