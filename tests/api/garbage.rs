//! Messages that are no events.

use harness::publishing::Publishing;
use uuid::Uuid;

use crate::app::App;

/// Puts a message on the order topic whose body is no event, and returns the id under which it is
/// buried.
pub(crate) async fn publish_garbage(app: &App) -> String {
    let publishing = Publishing::start(&app.system.endpoints, &app.system.names).await.unwrap();
    let event_id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    publishing.publish(event_id, "this is no event").await.unwrap();
    publishing.stop().await;
    event_id.to_string()
}
