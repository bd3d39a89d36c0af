//! The adapters in memory.

use testkit::broker::MemoryBroker;
use testkit::contract::{Announced, ChannelFixture, MemoryFixture};

async fn tables() -> MemoryFixture {
    MemoryFixture::default()
}

mod table_ports {
    testkit::table_contract!(crate::memory::tables);
}

struct Channel(MemoryBroker);

async fn channel() -> Channel {
    Channel(MemoryBroker::default())
}

impl ChannelFixture for Channel {
    type Publisher = MemoryBroker;
    type Subscription = MemoryBroker;
    type DeadLetters = MemoryBroker;

    fn publisher(&self) -> &MemoryBroker {
        &self.0
    }

    fn subscription(&self) -> &MemoryBroker {
        &self.0
    }

    fn dead_letters(&self) -> &MemoryBroker {
        &self.0
    }

    async fn announced(&self) -> Vec<Announced> {
        self.0.announced().iter().map(Announced::from).collect()
    }
}

/// Pauses tokio's clock: half a minute on the real channel takes no time here.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::time::pause();
        test.await;
    });
}

mod channel_ports {
    testkit::channel_contract!(crate::memory::channel, crate::memory::run);
}
