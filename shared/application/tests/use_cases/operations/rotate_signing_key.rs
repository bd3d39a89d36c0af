//! The signing key is replaced, and tokens of the old key stay good.

use std::time::Duration;

use application::lifetimes;
use application::operations::rotate_signing_key::{RotateSigningKey, Rotated};
use application::outcome::Failure;
use application::ports::{Clock, PublishedKeys};
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

/// Makes both steps, one right after the other.
async fn rotated(keys: &MemoryKeys, clock: &ManualClock) -> Result<Rotated, Failure> {
    let rotate = rotate(keys, clock);
    rotate.sign_with(rotate.publish().await?).await
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
    let done = rotated(&keys, &clock).await.unwrap();
    assert_eq!((done.kid.as_str(), done.replaced), ("key 1", Vec::new()));
    assert_eq!(keys.signing().as_deref(), Some("key 1"));
    assert_eq!(published(&keys, &clock).await, ["key 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_published_and_signs_only_when_no_cache_has_the_old_keys() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    let rotate = rotate(&keys, &clock);
    let first = rotate.publish().await.unwrap();
    assert_eq!(first.pause(), Duration::ZERO, "nobody waits for the first key");
    rotate.sign_with(first).await.unwrap();
    let next = rotate.publish().await.unwrap();
    assert!(next.pause() > lifetimes::PUBLIC_KEYS);
    assert_eq!(published(&keys, &clock).await, ["key 1", "key 2"]);
    assert_eq!(keys.signing().as_deref(), Some("key 1"));
    clock.advance(next.pause());
    let done = rotate.sign_with(next).await.unwrap();
    assert_eq!(keys.signing().as_deref(), Some("key 2"));
    let until = clock.now().plus(lifetimes::REPLACED_KEY);
    assert_eq!(done.replaced, [("key 1".to_owned(), until)], "counted from when it last signed");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_key_verifies_while_its_tokens_live_and_then_retires() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    rotated(&keys, &clock).await.unwrap();
    let done = rotated(&keys, &clock).await.unwrap();
    let until = clock.now().plus(lifetimes::REPLACED_KEY);
    assert_eq!(done.replaced, [("key 1".to_owned(), until)]);
    // A process that can't read the new key signs with the old one as long as it is allowed to.
    let last_token = lifetimes::SIGNING_KEY + lifetimes::ACCESS_TOKEN;
    clock.advance(last_token + lifetimes::ACCESS_TOKEN_LEEWAY);
    assert_eq!(published(&keys, &clock).await, ["key 1", "key 2"]);
    clock.advance(lifetimes::ACCESS_TOKEN_LEEWAY);
    assert_eq!(published(&keys, &clock).await, ["key 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_replaced_before_keeps_its_time() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    rotated(&keys, &clock).await.unwrap();
    rotated(&keys, &clock).await.unwrap();
    clock.advance(lifetimes::REPLACED_KEY / 2);
    rotated(&keys, &clock).await.unwrap();
    assert_eq!(published(&keys, &clock).await, ["key 1", "key 2", "key 3"]);
    clock.advance(lifetimes::REPLACED_KEY / 2);
    assert_eq!(published(&keys, &clock).await, ["key 2", "key 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_failed_on_the_way_retires_nothing_and_is_repeated() {
    let (keys, clock) = (MemoryKeys::default(), World::default().clock);
    rotated(&keys, &clock).await.unwrap();
    keys.make_signing_key_store_unavailable(true);
    assert!(rotated(&keys, &clock).await.is_err());
    assert_eq!(keys.signing().as_deref(), Some("key 1"));
    clock.advance(lifetimes::REPLACED_KEY);
    assert!(published(&keys, &clock).await.contains(&"key 1".to_owned()));
    keys.make_signing_key_store_unavailable(false);
    let done = rotated(&keys, &clock).await.unwrap();
    assert_eq!(done.kid, "key 3");
    assert_eq!(done.replaced.len(), 2, "the one that signed, and the one that never did");
}
