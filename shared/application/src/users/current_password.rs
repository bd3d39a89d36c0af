//! Verifies the current password before a change that can't be undone: a stolen access token alone
//! must not be enough (OWASP ASVS 5.0, 7.5.1).

use std::time::Duration;

use domain::account::{Account, ActivityKind};
use secrecy::SecretString;

use crate::outcome::Failure;
use crate::ports::{
    Activity, ActivityLog, ActivityOwner, Bearer, Clock, GuessRecords, GuessTarget, IdentitySource,
    PasswordHasher, Source,
};
use crate::users::guess_guard::{self, GuessGuard, GuessRefused};
use crate::users::show_account::ShowAccountError;

/// Verifies current passwords, and counts wrong ones.
#[derive(Debug, Clone)]
pub struct CurrentPassword<Store, Passwords, Identities, Time> {
    /// Where activities are recorded.
    pub users: Store,
    /// Counts guesses, so that a stolen access token does not allow many.
    pub guard: GuessGuard<Store, Time>,
    pub passwords: Passwords,
    pub identities: Identities,
    pub clock: Time,
}

pub struct Proof {
    /// What the bearer entered as the current password.
    pub password: SecretString,
    pub source: Source,
    /// The activity that is recorded if the password is wrong.
    pub failure: ActivityKind,
}

/// Why a change that needs the current password was not made, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum ProtectedChangeError {
    /// The password is wrong. The guess is counted, and nothing is changed.
    #[error("wrong current password")]
    WrongPassword,
    /// The bearer's session has ended, so nothing is changed.
    #[error("the session has ended")]
    SessionOver,
    /// There were too many guesses. The next one is allowed after this time.
    #[error("too many guesses")]
    TooMany(Duration),
    /// The change could not be stored, the guess could not be counted or recorded, or whether the
    /// change is stored is unknown.
    #[error("changing accounts is temporarily unavailable")]
    Unavailable(#[source] Failure),
}

impl From<ShowAccountError> for ProtectedChangeError {
    fn from(error: ShowAccountError) -> Self {
        match error {
            ShowAccountError::SessionOver => Self::SessionOver,
            ShowAccountError::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

impl From<GuessRefused> for ProtectedChangeError {
    fn from(refused: GuessRefused) -> Self {
        match refused {
            GuessRefused::Wait(wait) => Self::TooMany(wait),
            GuessRefused::Unavailable(failure) => Self::Unavailable(failure),
        }
    }
}

impl<Store, Passwords, Identities, Time> CurrentPassword<Store, Passwords, Identities, Time>
where
    Store: ActivityLog + GuessRecords,
    Passwords: PasswordHasher,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Verifies the password of the bearer's account.
    ///
    /// # Errors
    ///
    /// [`ProtectedChangeError`], but not `SessionOver`
    pub async fn verify(
        &self,
        account: &Account,
        bearer: Bearer,
        proof: Proof,
    ) -> Result<(), ProtectedChangeError> {
        let Proof { password, source, failure } = proof;
        let target = GuessTarget::Owner(bearer.user_id);
        let admitted = self.guard.admit(target, guess_guard::ACCOUNT).await;
        if let Err(GuessRefused::Wait(wait)) = &admitted {
            let (user_id, wait_s) = (bearer.user_id.get(), wait.as_secs());
            tracing::warn!(user_id, %source, wait_s, "a check of the current password has to wait");
        }
        let now_waits = admitted?;
        let verified = self.passwords.verify(password, Some(account.password_hash())).await;
        if !verified.map_err(ProtectedChangeError::Unavailable)? {
            let recorded = self.record_failure(bearer, source, failure, now_waits).await;
            recorded.map_err(ProtectedChangeError::Unavailable)?;
            return Err(ProtectedChangeError::WrongPassword);
        }
        self.guard.forgive(target).await;
        Ok(())
    }

    async fn record_failure(
        &self,
        bearer: Bearer,
        source: Source,
        failure: ActivityKind,
        now_waits: bool,
    ) -> Result<(), Failure> {
        let Bearer { user_id, session_id } = bearer;
        let kind = failure.as_str();
        let owner = ActivityOwner::User(user_id);
        let user_id = user_id.get();
        tracing::warn!(user_id, %source, %session_id, kind, "the current password was wrong");
        self.users.record(owner, &self.activity(failure, bearer, source)).await?;
        if now_waits {
            tracing::warn!(
                user_id,
                %source,
                %session_id,
                "further checks of the current password have to wait"
            );
            let locked = self.activity(ActivityKind::Locked, bearer, source);
            self.users.record(owner, &locked).await?;
        }
        Ok(())
    }

    /// An activity of the bearer, now.
    pub(crate) fn activity(&self, kind: ActivityKind, bearer: Bearer, source: Source) -> Activity {
        let session = Some(bearer.session_id);
        Activity::new(&self.identities, kind, self.clock.now(), source, session)
    }
}
