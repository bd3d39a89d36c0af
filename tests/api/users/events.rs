//! What users do reaches `USER_EVENTS`, and a consumer sees it there.

use rocketmq::admin::StoredMessage;
use serde_json::Value;

use super::{Visitor, new_email};
use crate::app::{App, eventually, with_app};

async fn user_events(app: &App, user_id: u64) -> Vec<(StoredMessage, Value)> {
    let subject = user_id.to_string();
    let messages = app.user_topic().await.into_iter();
    let events = messages.map(|message| {
        let event: Value = serde_json::from_slice(&message.body).unwrap();
        (message, event)
    });
    events.filter(|(_, event)| event["subject"] == subject).collect()
}

#[test]
fn registrations_and_logins_reach_the_topic_of_user_events_and_are_observed() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("events");
        let user_id = visitor.register(&email).await;
        visitor.log_in(&email).await;
        let told = eventually("both events are on the topic", async || {
            let told = user_events(app, user_id).await;
            (told.len() >= 2).then_some(told)
        })
        .await;
        let mut types: Vec<_> =
            told.iter().map(|(message, _)| message.tag.clone().unwrap()).collect();
        types.sort();
        types.dedup();
        assert_eq!(types, ["UserLoggedIn", "UserRegistered"]);
        for (message, event) in told {
            assert_eq!(event["data"]["user_id"], user_id);
            assert!(!event.to_string().contains(&email));
            assert!(message.keys.contains(&user_id.to_string()));
            let key = format!("EVENT#{}", event["id"].as_str().unwrap());
            eventually("a consumer has seen it", async || {
                let copy = app.item("EventsTable", &[("pk", &key)]).await.unwrap();
                let observed = !copy.contains_key("unobserved") && copy.contains_key("expires_at");
                observed.then_some(())
            })
            .await;
        }
    });
}
