//! Judges the writes of accounts, sessions and requests for mails by what a cancelled try met.
//!
//! First comes what only an earlier try of the same write can have stored: then the write landed,
//! whatever else was met. Next comes a condition that failed. What is left was busy.

use domain::identity::{TransactionId, UserId};

use crate::outcome::ItemReason;
use crate::ports::{
    AccountAtKey, CancelledAddition, CancelledChange, CancelledExchange, CancelledRegistration,
    TokenHash,
};

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled<Refusal> {
    /// A try of the write is stored.
    Stored,
    /// No try of the write is stored, and none will be.
    Refused(Refusal),
}

impl<Refusal> Settled<Refusal> {
    pub const fn is_stored(&self) -> bool {
        matches!(self, Self::Stored)
    }

    /// # Errors
    ///
    /// What `error` makes of the refusal.
    pub fn stored_or<Error>(self, error: impl FnOnce(Refusal) -> Error) -> Result<(), Error> {
        match self {
            Self::Stored => Ok(()),
            Self::Refused(refusal) => Err(error(refusal)),
        }
    }
}

/// What became of a write, by what a try met. `None` if that settles nothing, so that the write is
/// tried again.
pub type Judged<Refusal> = Option<Settled<Refusal>>;

/// The account, token or session that a write is based on was changed, used or ended meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// The address belongs to another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailTaken;

pub fn judge_registration(
    met: &CancelledRegistration,
    user_id: UserId,
    attempt: TransactionId,
) -> Judged<EmailTaken> {
    // The user's number is as random as an attempt's. If the address belongs to this number, an
    // earlier try has landed, whatever happened to the account after that.
    let has_landed = is_by(attempt, &met.account) || met.address.found() == Some(&user_id);
    judged(has_landed, met.address.condition_failed().then_some(EmailTaken))
}

pub fn judge_login(met: &CancelledAddition, attempt: TransactionId) -> Judged<Stale> {
    // Only this login knows the session's identifier: if the session exists, an earlier try has
    // landed, whatever happened to the account after that.
    let has_landed = is_by(attempt, &met.account) || met.added.condition_failed();
    judged(has_landed, met.account.condition_failed().then_some(Stale))
}

/// Judges a request for a mail. Only this request knows its identifier: if it is there, an earlier
/// try has landed.
pub fn judge_request(met: &CancelledAddition) -> Judged<Stale> {
    judged(met.added.condition_failed(), met.account.condition_failed().then_some(Stale))
}

/// Judges the change of an account by an attempt, or the use of a mailed token.
pub fn judge_change(met: &CancelledChange, attempt: TransactionId) -> Judged<Stale> {
    judged(is_by(attempt, &met.account), refused(met))
}

/// Judges the deletion of an account. Whoever deleted it, it is deleted.
pub fn judge_deletion(met: &CancelledChange) -> Judged<Stale> {
    judged(met.account.found() == Some(&AccountAtKey::Deleted), refused(met))
}

/// Judges the exchange of a refresh token for the token `next`, which is as random as an attempt.
pub fn judge_exchange(met: &CancelledExchange, next: TokenHash) -> Judged<Stale> {
    let failed = met.session.condition_failed() || met.account.condition_failed();
    judged(met.session.found() == Some(&next), failed.then_some(Stale))
}

/// Judges the end of a session. Nothing shows who ended it, so no try is known to have landed.
pub fn judge_end(session: &ItemReason<()>) -> Judged<Stale> {
    judged(false, session.condition_failed().then_some(Stale))
}

fn refused(met: &CancelledChange) -> Option<Stale> {
    (met.account.condition_failed() || met.another_failed).then_some(Stale)
}

/// Whether an attempt was the last to write an account.
fn is_by(attempt: TransactionId, account: &ItemReason<AccountAtKey>) -> bool {
    account.found() == Some(&AccountAtKey::Live { attempt })
}

fn judged<Refusal>(has_landed: bool, refusal: Option<Refusal>) -> Judged<Refusal> {
    if has_landed { Some(Settled::Stored) } else { refusal.map(Settled::Refused) }
}

#[cfg(test)]
mod tests {
    use ItemReason::{Busy, ConditionFailed, None as NotMet};
    use uuid::Uuid;

    use super::*;

    const LANDED: Judged<Stale> = Some(Settled::Stored);
    const STALE: Judged<Stale> = Some(Settled::Refused(Stale));
    const OPEN: Judged<Stale> = None;

    fn attempts() -> [TransactionId; 2] {
        [1, 2].map(|number| TransactionId::new(Uuid::from_u128(number)))
    }

    /// An account that this attempt was the last to write.
    const fn by(attempt: TransactionId) -> ItemReason<AccountAtKey> {
        ConditionFailed(Some(AccountAtKey::Live { attempt }))
    }

    const DELETED: ItemReason<AccountAtKey> = ConditionFailed(Some(AccountAtKey::Deleted));

    #[test]
    fn a_registration_landed_if_its_account_or_its_address_is_there() {
        let [ours, other] = [1, 2].map(|number| UserId::new(number).unwrap());
        let [this, later] = attempts();
        let belongs_to = |user_id| ConditionFailed(Some(user_id));
        let landed = Some(Settled::Stored);
        let taken = Some(Settled::Refused(EmailTaken));
        for (account, address, expected) in [
            (by(this), belongs_to(ours), landed),
            // The service does not always name every reason.
            (by(this), NotMet, landed),
            (NotMet, belongs_to(ours), landed),
            // The account was changed or deleted since, or can't be read.
            (by(later), belongs_to(ours), landed),
            (DELETED, belongs_to(ours), landed),
            (ConditionFailed(None), belongs_to(ours), landed),
            (Busy, belongs_to(ours), landed),
            // The account has another address since, and somebody else has this one.
            (by(this), belongs_to(other), landed),
            (NotMet, belongs_to(other), taken),
            (Busy, belongs_to(other), taken),
            (by(later), belongs_to(other), taken),
            (DELETED, belongs_to(other), taken),
            (NotMet, ConditionFailed(None), taken),
            // An account that another attempt wrote settles nothing by itself.
            (by(later), NotMet, None),
            (DELETED, NotMet, None),
            (ConditionFailed(None), Busy, None),
            (Busy, NotMet, None),
            (NotMet, Busy, None),
            (NotMet, NotMet, None),
        ] {
            let met = CancelledRegistration { account, address };
            assert_eq!(judge_registration(&met, ours, this), expected, "{met:?}");
        }
    }

    #[test]
    fn a_login_landed_if_its_session_is_there_or_the_account_is_as_it_wrote_it() {
        let [this, other] = attempts();
        let there = ConditionFailed(Some(()));
        for (account, added, expected) in [
            (by(this), there.clone(), LANDED),
            (by(this), NotMet, LANDED),
            (by(this), Busy, LANDED),
            // Whatever happened to the account after that.
            (by(other), there.clone(), LANDED),
            (DELETED, there.clone(), LANDED),
            (ConditionFailed(None), there.clone(), LANDED),
            (Busy, there.clone(), LANDED),
            (NotMet, there, LANDED),
            (NotMet, ConditionFailed(None), LANDED),
            (by(other), NotMet, STALE),
            (by(other), Busy, STALE),
            (DELETED, NotMet, STALE),
            (ConditionFailed(None), NotMet, STALE),
            (Busy, NotMet, OPEN),
            (NotMet, Busy, OPEN),
            (NotMet, NotMet, OPEN),
        ] {
            let met = CancelledAddition { added, account };
            assert_eq!(judge_login(&met, this), expected, "{met:?}");
        }
    }

    #[test]
    fn a_request_landed_if_it_is_there() {
        let [this, _] = attempts();
        let there = ConditionFailed(Some(()));
        for (added, account, expected) in [
            (there.clone(), NotMet, LANDED),
            (ConditionFailed(None), NotMet, LANDED),
            (there.clone(), by(this), LANDED),
            (there.clone(), DELETED, LANDED),
            (there, Busy, LANDED),
            (NotMet, by(this), STALE),
            (NotMet, DELETED, STALE),
            (NotMet, ConditionFailed(None), STALE),
            (Busy, by(this), STALE),
            (Busy, NotMet, OPEN),
            (NotMet, Busy, OPEN),
            (NotMet, NotMet, OPEN),
        ] {
            let met = CancelledAddition { added, account };
            assert_eq!(judge_request(&met), expected, "{met:?}");
        }
    }

    #[test]
    fn an_exchange_landed_if_its_token_is_the_newest() {
        let [next, other] = ["next", "other"].map(TokenHash::of);
        let has = |token| ConditionFailed(Some(token));
        let failed = ConditionFailed(Some(()));
        for (session, account, expected) in [
            (has(next), NotMet, LANDED),
            // Another exchange was counted since, or all sessions were ended.
            (has(next), failed.clone(), LANDED),
            (has(next), Busy, LANDED),
            (has(other), NotMet, STALE),
            (has(other), failed.clone(), STALE),
            (ConditionFailed(None), NotMet, STALE),
            (NotMet, failed.clone(), STALE),
            (Busy, failed, STALE),
            (NotMet, ConditionFailed(None), STALE),
            (Busy, NotMet, OPEN),
            (NotMet, Busy, OPEN),
            (NotMet, NotMet, OPEN),
        ] {
            let met = CancelledExchange { session, account };
            assert_eq!(judge_exchange(&met, next), expected, "{met:?}");
        }
    }

    #[test]
    fn the_end_of_a_session_that_has_ended_is_stale() {
        for (session, expected) in [
            (ConditionFailed(Some(())), STALE),
            (ConditionFailed(None), STALE),
            (Busy, OPEN),
            (NotMet, OPEN),
        ] {
            assert_eq!(judge_end(&session), expected, "{session:?}");
        }
    }

    #[test]
    fn a_change_landed_if_the_account_is_as_it_wrote_it_even_if_other_conditions_failed() {
        let [this, other] = attempts();
        for (account, another_failed, expected) in [
            (by(this), false, LANDED),
            // The kept session has ended since, the token is used, or the address is taken.
            (by(this), true, LANDED),
            (by(other), false, STALE),
            (by(other), true, STALE),
            (DELETED, false, STALE),
            (DELETED, true, STALE),
            (ConditionFailed(None), false, STALE),
            (Busy, true, STALE),
            (NotMet, true, STALE),
            (Busy, false, OPEN),
            (NotMet, false, OPEN),
        ] {
            let met = CancelledChange { account, another_failed };
            assert_eq!(judge_change(&met, this), expected, "{met:?}");
        }
    }

    #[test]
    fn a_deletion_landed_if_the_account_is_deleted() {
        let [this, _] = attempts();
        for (account, another_failed, expected) in [
            (DELETED, false, LANDED),
            // Somebody else has the address since.
            (DELETED, true, LANDED),
            (by(this), false, STALE),
            (by(this), true, STALE),
            (ConditionFailed(None), false, STALE),
            (Busy, true, STALE),
            (NotMet, true, STALE),
            (Busy, false, OPEN),
            (NotMet, false, OPEN),
        ] {
            let met = CancelledChange { account, another_failed };
            assert_eq!(judge_deletion(&met), expected, "{met:?}");
        }
    }
}
