//! Users' events are published on `USER_EVENTS` and handled there.

use reqwest::Method;
use rocketmq::admin::StoredMessage;
use serde_json::{Value, json};

use super::{PASSWORD, Visitor, new_email};
use crate::app::{App, Item, eventually, with_app};

async fn user_events(app: &App, user_id: u64) -> Vec<(StoredMessage, Value)> {
    let subject = user_id.to_string();
    let messages = app.user_topic().await.into_iter();
    let events = messages.map(|message| {
        let event: Value = serde_json::from_slice(&message.body).unwrap();
        (message, event)
    });
    events.filter(|(_, event)| event["subject"] == subject).collect()
}

fn is_pending(item: &Item, event_id: &str) -> bool {
    let pending = item.get("pending").and_then(|pending| pending.as_m().ok());
    pending.is_some_and(|events| events.contains_key(event_id))
}

#[test]
fn registrations_logins_and_deletions_reach_the_topic_of_user_events_and_are_handled() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("events");
        let user_id = visitor.register(&email).await;
        let session = visitor.log_in(&email).await;
        let delete = visitor.request(Method::DELETE, "/v1/users/me").bearer_auth(&session.access);
        let delete = delete.json(&json!({"current_password": PASSWORD}));
        assert_eq!(delete.send().await.unwrap().status(), 204);
        let events = eventually("all three events are on the topic", async || {
            let events = user_events(app, user_id).await;
            (events.len() >= 3).then_some(events)
        })
        .await;
        let mut types: Vec<_> =
            events.iter().map(|(message, _)| message.tag.clone().unwrap()).collect();
        types.sort();
        types.dedup();
        assert_eq!(types, ["UserDeleted", "UserLoggedIn", "UserRegistered"]);
        for (message, event) in events {
            assert_eq!(event["data"]["user_id"], user_id);
            assert!(!event.to_string().contains(&email));
            assert!(message.keys.contains(&user_id.to_string()));
            let id = event["id"].as_str().unwrap();
            eventually("it is handled", async || {
                let items = app.items("UsersTable").await;
                items.iter().all(|item| !is_pending(item, id)).then_some(())
            })
            .await;
        }
    });
}
