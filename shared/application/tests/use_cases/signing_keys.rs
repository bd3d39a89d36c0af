//! Another key signs, and the old one's tokens stay good.

use application::lifetimes;
use application::ports::{Clock, PublishedKeys};
use application::rotate_signing_key::RotateSigningKey;
use testkit::clock::ManualClock;
use testkit::secrets::MemoryKeys;
use testkit::world::World;

type Rotate = RotateSigningKey<MemoryKeys, MemoryKeys, MemoryKeys, ManualClock>;

fn rotate(keys: &MemoryKeys, clock: &ManualClock) -> Rotate {
    RotateSigningKey {
        generator: keys.clone(),
        signing: keys.clone(),
        published: keys.clone(),
        clock: clock.clone(),
    }
}

async fn published(keys: &MemoryKeys, clock: &ManualClock) -> Vec<String> {
    let mut kids: Vec<_> =
        keys.all(clock.now()).await.unwrap().into_iter().map(|key| key.kid).collect();
    kids.sort();
    kids
}

#[tokio::test(start_paused = true)]
async fn the_first_rotation_makes_the_first_key() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    let rotated = rotate(&keys, &clock).execute().await.unwrap();
    assert_eq!((rotated.kid.as_str(), rotated.replaced), ("key 1", Vec::new()));
    assert_eq!(keys.signing().as_deref(), Some("key 1"));
    assert_eq!(published(&keys, &clock).await, ["key 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_key_verifies_for_as_long_as_its_tokens_live_and_then_retires() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    rotate(&keys, &clock).execute().await.unwrap();
    let rotated = rotate(&keys, &clock).execute().await.unwrap();
    let until = clock.now().plus(lifetimes::REPLACED_KEY);
    assert_eq!(rotated.replaced, [("key 1".to_owned(), until)]);
    // A process that could not read the new key signs with the old one until the last.
    let last_token = lifetimes::SIGNING_KEY + lifetimes::ACCESS_TOKEN;
    clock.advance(last_token + lifetimes::ACCESS_TOKEN_LEEWAY);
    assert_eq!(published(&keys, &clock).await, ["key 1", "key 2"]);
    clock.advance(lifetimes::ACCESS_TOKEN_LEEWAY);
    assert_eq!(published(&keys, &clock).await, ["key 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_replaced_before_keeps_its_time() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    rotate(&keys, &clock).execute().await.unwrap();
    rotate(&keys, &clock).execute().await.unwrap();
    clock.advance(lifetimes::REPLACED_KEY / 2);
    rotate(&keys, &clock).execute().await.unwrap();
    assert_eq!(published(&keys, &clock).await, ["key 1", "key 2", "key 3"]);
    clock.advance(lifetimes::REPLACED_KEY / 2);
    assert_eq!(published(&keys, &clock).await, ["key 2", "key 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_failed_on_the_way_retires_nothing_and_is_repeated() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    rotate(&keys, &clock).execute().await.unwrap();
    keys.take_signing_away(true);
    assert!(rotate(&keys, &clock).execute().await.is_err());
    assert_eq!(keys.signing().as_deref(), Some("key 1"));
    clock.advance(lifetimes::REPLACED_KEY);
    assert!(published(&keys, &clock).await.contains(&"key 1".to_owned()));
    keys.take_signing_away(false);
    let rotated = rotate(&keys, &clock).execute().await.unwrap();
    assert_eq!(rotated.kid, "key 3");
    assert_eq!(rotated.replaced.len(), 2, "the one that signed, and the one that never did");
}
