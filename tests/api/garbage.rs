//! Messages that are not events.

use application::ports::MessageId;
use harness::publishing::Publishing;
use uuid::Uuid;

use crate::app::{App, eventually};

/// The property with the client's own name of a message (`MessageConst.java`).
const NAME: &str = "UNIQ_KEY";

const GARBAGE: &str = "this is no event";

/// Puts a message on the order topic whose body is not an event. Returns the id of its dead letter.
pub(crate) async fn publish_garbage(app: &App) -> String {
    let publishing = Publishing::start(&app.system.endpoints, &app.system.names).await.unwrap();
    let event_id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    publishing.publish(event_id, None, GARBAGE).await.unwrap();
    publishing.stop().await;
    let event_id = event_id.to_string();
    eventually("the garbage is on the topic", async || {
        let messages = app.topic().await.into_iter();
        let mut ours = messages
            .filter(|message| message.properties.get("event_id").is_some_and(|id| *id == event_id));
        let message = ours.next()?;
        let name = message.properties.get(NAME).unwrap();
        Some(MessageId::of_delivery(name, GARBAGE.as_bytes()).to_string())
    })
    .await
}
