//! `VerificationKeys`, `PublishedKeys` and `VerificationKeyStore`.

use application::ports::{PublishedKeys, VerificationKey, VerificationKeyStore, VerificationKeys};

use super::{TableFixture, moment};

fn key(kid: &str, number: u8) -> VerificationKey {
    VerificationKey { kid: kid.to_owned(), public_key: [number; 32], retires_at: None }
}

pub async fn a_key_is_found_by_its_name_as_it_was_stored(fixture: &impl TableFixture) {
    let retiring = VerificationKey { retires_at: Some(moment(60)), ..key("two", 2) };
    for stored in [key("one", 1), retiring] {
        fixture.keys().put(&stored).await.unwrap();
        assert_eq!(fixture.keys().by_kid(&stored.kid).await.unwrap(), Some(stored));
    }
}

/// The name comes from a token that is not verified yet.
pub async fn an_unknown_key_name_is_not_found(fixture: &impl TableFixture) {
    fixture.keys().put(&key("one", 1)).await.unwrap();
    for kid in ["", "One", "one ", "KEY#one", "one\u{0}", "\u{1f511}", &"k".repeat(5_000)] {
        assert_eq!(fixture.keys().by_kid(kid).await.unwrap(), None, "{kid:?}");
    }
}

pub async fn a_key_replaces_one_with_the_same_name(fixture: &impl TableFixture) {
    fixture.keys().put(&key("one", 1)).await.unwrap();
    let replaced = VerificationKey { retires_at: Some(moment(60)), ..key("one", 2) };
    fixture.keys().put(&replaced).await.unwrap();
    assert_eq!(fixture.keys().by_kid("one").await.unwrap(), Some(replaced.clone()));
    assert_eq!(fixture.keys().all(moment(0)).await.unwrap(), [replaced]);
}

pub async fn every_key_that_still_verifies_is_published(fixture: &impl TableFixture) {
    let signing = key("signing", 1);
    let retiring = VerificationKey { retires_at: Some(moment(60)), ..key("retiring", 2) };
    for stored in [&signing, &retiring] {
        fixture.keys().put(stored).await.unwrap();
    }
    let at = async |seconds| {
        let mut keys = fixture.keys().all(moment(seconds)).await.unwrap();
        keys.sort_by(|one, other| one.kid.cmp(&other.kid));
        keys
    };
    assert_eq!(at(59).await, [retiring, signing.clone()]);
    assert_eq!(at(60).await, [signing]);
}
