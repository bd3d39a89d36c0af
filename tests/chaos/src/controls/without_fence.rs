use anyhow::anyhow;
use application::outcome::Failure;
use application::ports::{FenceOutcome, TransactionLedger, TransactionState};
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;
use dynamodb::{DynamoOutbox, DynamoTransactionLedger, DynamoUnobservedEvents};
use lambda_runtime::{LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::settings::Settings;
use transaction_check::config::Config;
use transaction_check::{Handler, WindowEvent};

/// Says that every fence was won, and writes none.
#[derive(Clone)]
struct WithoutFence(DynamoTransactionLedger);

impl TransactionLedger for WithoutFence {
    async fn state(
        &self,
        transaction_id: TransactionId,
    ) -> Result<Option<TransactionState>, Failure> {
        self.0.state(transaction_id).await
    }

    async fn attempt_that_recorded(
        &self,
        event_id: EventId,
    ) -> Result<Option<TransactionId>, Failure> {
        self.0.attempt_that_recorded(event_id).await
    }

    async fn fence(&self, _transaction_id: TransactionId, _expires_at: Timestamp) -> FenceOutcome {
        FenceOutcome::Won
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    let config = Config::read(Settings::from_environment())?;
    let tables = dynamodb::connect().await;
    let handler = Handler {
        rocketmq: config.rocketmq,
        ledger: WithoutFence(DynamoTransactionLedger::new(tables.clone(), config.events.clone())),
        unobserved: DynamoUnobservedEvents::new(tables.clone(), config.events.clone()),
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
