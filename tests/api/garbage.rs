//! Messages that are not events.

use harness::publishing::Publishing;
use uuid::Uuid;

use crate::app::{App, eventually};

/// The property with the client's own id of a message (`MessageConst.java`), which is the id of the
/// dead letter if the message cannot be decoded.
const MESSAGE_ID: &str = "UNIQ_KEY";

/// Puts a message on the order topic whose body is not an event. Returns the id of its dead letter.
pub(crate) async fn publish_garbage(app: &App) -> String {
    let publishing = Publishing::start(&app.system.endpoints, &app.system.names).await.unwrap();
    let event_id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    publishing.publish(event_id, None, "this is no event").await.unwrap();
    publishing.stop().await;
    let event_id = event_id.to_string();
    eventually("the garbage is on the topic", async || {
        let messages = app.topic().await.into_iter();
        let mut ours = messages
            .filter(|message| message.properties.get("event_id").is_some_and(|id| *id == event_id));
        Some(ours.next()?.properties.get(MESSAGE_ID).unwrap().clone())
    })
    .await
}
