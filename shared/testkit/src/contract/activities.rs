//! `ActivityLog` and `ActivityReader`.

use application::lifetimes;
use application::ports::{
    ActivityLog, ActivityOwner, ActivityReader, AddressDigest, IdentitySource,
};
use domain::account::ActivityKind;
use domain::timestamp::Timestamp;

use super::{TableFixture, moment};
use crate::identities::SequentialIdentities;
use crate::samples::{activity, email, user};

pub async fn a_page_lists_the_newest_first_and_the_next_page_continues(
    fixture: &impl TableFixture,
) {
    let identities = SequentialIdentities::default();
    let log = fixture.accounts();
    let mut recorded = Vec::new();
    for second in 0..7 {
        let mut line = activity(&identities, ActivityKind::LoggedIn, moment(second));
        line.session = (second % 2 == 0).then(|| identities.session_id());
        log.record(ActivityOwner::User(user(1)), &line).await.unwrap();
        recorded.push(line);
    }
    recorded.reverse();
    let (mut listed, mut before) = (Vec::new(), None);
    loop {
        let page = log.page(user(1), before, 3, moment(60)).await.unwrap();
        assert!(page.items.len() <= 3 && page.unreadable == 0);
        listed.extend(page.items);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(listed, recorded);
}

pub async fn expired_activities_are_not_listed(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let log = fixture.accounts();
    let line = activity(&identities, ActivityKind::LoginFailed, moment(0));
    log.record(ActivityOwner::User(user(1)), &line).await.unwrap();
    let over = moment(0).plus(lifetimes::ACTIVITY);
    let just_before = Timestamp::from_millis(over.as_millis() - 1);
    assert_eq!(log.page(user(1), None, 9, just_before).await.unwrap().items, [line]);
    assert_eq!(log.page(user(1), None, 9, over).await.unwrap().items, []);
}

pub async fn only_the_users_own_activities_are_listed(fixture: &impl TableFixture) {
    let identities = SequentialIdentities::default();
    let log = fixture.accounts();
    let nobody = ActivityOwner::UnknownAddress(AddressDigest::of(&email("nobody@example.com")));
    for owner in [ActivityOwner::User(user(1)), ActivityOwner::User(user(11)), nobody] {
        let line = activity(&identities, ActivityKind::LoginFailed, moment(0));
        log.record(owner, &line).await.unwrap();
    }
    assert_eq!(log.page(user(1), None, 9, moment(1)).await.unwrap().items.len(), 1);
    assert_eq!(log.page(user(2), None, 9, moment(1)).await.unwrap().items, []);
}
