//! Uses a mailed token: it confirms an address, or sets a new password.
//!
//! Every token that is not good gets the same answer, whether it is malformed, of another purpose,
//! expired, replaced by a newer one, used, or of an account that has changed since.

use domain::account::{Account, ActivityKind, MailPurpose, PasswordFault, check_password};
use secrecy::{ExposeSecret, SecretString};

use crate::backoff::seed;
use crate::deadline::Deadline;
use crate::outcome::Failure;
use crate::ports::mail::{MailRepository, MailRequests, MailToken, Redemption, StoredMail};
use crate::ports::{
    Accounts, Activity, Clock, IdentitySource, KnownSourceRemoval, PasswordHasher, Source,
};
use crate::users::judging::judge_change;
use crate::users::settle::{Tries, settle};

/// Uses mailed tokens. `Store` has accounts, requests and sources.
pub struct RedeemMail<Store, Passwords, Identities, Time> {
    pub users: Store,
    pub passwords: Passwords,
    pub identities: Identities,
    pub clock: Time,
}

/// Why a token was not used, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum RedeemMailError {
    /// The token is not good. The answer must not show why; the text is for the log.
    #[error("invalid mailed token: {0}")]
    Invalid(&'static str),
    /// The new password is not allowed. The token is still good.
    #[error("new password not allowed")]
    Password(#[from] PasswordFault),
    /// The use could not be stored, or whether it is stored is unknown.
    #[error("using mailed tokens is temporarily unavailable")]
    Unavailable(#[source] Failure),
}

impl<Store, Passwords, Identities, Time> RedeemMail<Store, Passwords, Identities, Time>
where
    Store: Accounts + KnownSourceRemoval + MailRepository + MailRequests,
    Passwords: PasswordHasher,
    Identities: IdentitySource,
    Time: Clock,
{
    /// Confirms the address of a token: the one that the account has, or the one that it is to get.
    ///
    /// # Errors
    ///
    /// [`RedeemMailError`]
    pub async fn confirm_address(
        &self,
        token: &SecretString,
        source: Source,
        deadline: Deadline,
    ) -> Result<(), RedeemMailError> {
        let token = read(token)?;
        let tries = Tries::by(deadline);
        loop {
            let within = tries.next().map_err(RedeemMailError::Unavailable)?;
            let (mail, account) = match self.verify(&token).await? {
                Token::Good(mail, account) => (mail, account),
                // The answer to an earlier request was lost, or this one has landed unnoticed.
                Token::Used(mail, account) if mail.request.is_confirmed_by(&account) => {
                    return Ok(());
                }
                Token::Used(..) => return Err(used()),
            };
            let kind = match mail.request.purpose {
                MailPurpose::ConfirmAddress => ActivityKind::EmailConfirmed,
                MailPurpose::ChangeAddress => {
                    self.check_free(&mail, &account).await?;
                    // Known networks belong to an address, and this one may get another owner.
                    let forgotten = self.users.forget_all_except(&account, None).await;
                    forgotten.map_err(RedeemMailError::Unavailable)?;
                    ActivityKind::EmailChanged
                }
                MailPurpose::ResetPassword => {
                    return Err(RedeemMailError::Invalid("it resets a password"));
                }
            };
            let after = account.confirm_email(&mail.request);
            if self.store(&token, &account, &after, kind, source, within).await? {
                return Ok(());
            }
        }
    }

    /// Sets a new password, ends all sessions, and forgets all networks except `source`.
    ///
    /// # Errors
    ///
    /// [`RedeemMailError`]
    pub async fn reset_password(
        &self,
        token: &SecretString,
        password: &SecretString,
        source: Source,
        deadline: Deadline,
    ) -> Result<(), RedeemMailError> {
        let token = read(token)?;
        // The token first: it costs no hash, and nobody without one can have passwords hashed.
        let Token::Good(mail, account) = self.verify(&token).await? else {
            return Err(used());
        };
        if mail.request.purpose != MailPurpose::ResetPassword {
            return Err(RedeemMailError::Invalid("it confirms an address"));
        }
        check_password(password.expose_secret(), account.email())?;
        let hash = self.passwords.hash(password.clone()).await;
        let hash = hash.map_err(RedeemMailError::Unavailable)?;
        let tries = Tries::by(deadline);
        loop {
            let within = tries.next().map_err(RedeemMailError::Unavailable)?;
            let account = match self.verify(&token).await? {
                Token::Good(_, account) => account,
                // A hash has a salt, so only this request can have stored it.
                Token::Used(_, account) if *account.password_hash() == hash => {
                    return Ok(());
                }
                Token::Used(..) => return Err(used()),
            };
            // Before the change, so that a success means that both are done.
            let forgotten = self.users.forget_all_except(&account, Some(source)).await;
            forgotten.map_err(RedeemMailError::Unavailable)?;
            let after = account.reset_password(hash.clone());
            let kind = ActivityKind::PasswordReset;
            if self.store(&token, &account, &after, kind, source, within).await? {
                return Ok(());
            }
        }
    }

    /// The request of a token with its account, if the token is good now or was used before it
    /// expired.
    async fn verify(&self, token: &MailToken) -> Result<Token, RedeemMailError> {
        let mail = MailRequests::find(&self.users, token.mail).await;
        let mail = mail.map_err(RedeemMailError::Unavailable)?;
        let mail = mail.ok_or(RedeemMailError::Invalid("there is no such request"))?;
        if !mail.is_newest(&token.hash, self.clock.now()) {
            return Err(RedeemMailError::Invalid("it is not the newest, or expired"));
        }
        let account = Accounts::by_id(&self.users, mail.request.user_id).await;
        let account = account.map_err(RedeemMailError::Unavailable)?;
        let changed = || RedeemMailError::Invalid("the account has changed since");
        let account = account.ok_or_else(changed)?;
        if mail.used {
            return Ok(Token::Used(mail, account));
        }
        if !mail.request.is_wanted_by(&account) {
            return Err(changed());
        }
        Ok(Token::Good(mail, account))
    }

    /// Checks that no other account has the address: one may have taken it since the mail was asked
    /// for.
    async fn check_free(
        &self,
        mail: &StoredMail,
        account: &Account,
    ) -> Result<(), RedeemMailError> {
        let owner = self.users.by_email(&mail.request.address).await;
        match owner.map_err(RedeemMailError::Unavailable)? {
            Some(owner) if owner.user_id() != account.user_id() => {
                Err(RedeemMailError::Invalid("the address belongs to another account"))
            }
            _ => Ok(()),
        }
    }

    /// Stores the use of a token. Returns whether it is stored: otherwise the token was used or the
    /// account changed meanwhile.
    async fn store(
        &self,
        token: &MailToken,
        before: &Account,
        after: &Account,
        kind: ActivityKind,
        source: Source,
        within: Deadline,
    ) -> Result<bool, RedeemMailError> {
        let attempt = self.identities.transaction_id();
        let changes = before.email().key() != after.email().key();
        let redemption = Redemption {
            mail: token.mail,
            hash: token.hash,
            account: after,
            former_address: changes.then(|| before.email().key()),
            attempt,
            activity: &Activity::new(&self.identities, kind, self.clock.now(), source, None),
        };
        let redeem = |within| self.users.redeem(&redemption, within);
        let judge = |met: &_| judge_change(met, attempt);
        let stored = settle(within, seed(attempt.as_uuid()), redeem, judge);
        let stored = stored.await.map_err(RedeemMailError::Unavailable)?.is_stored();
        if stored {
            let (user_id, kind) = (after.user_id().get(), kind.as_str());
            tracing::info!(user_id, %source, kind, "a mailed token was used");
        }
        Ok(stored)
    }
}

/// What a token is good for, with its request and account.
enum Token {
    /// The token was not used.
    Good(StoredMail, Account),
    /// The token was used, once.
    Used(StoredMail, Account),
}

fn read(token: &SecretString) -> Result<MailToken, RedeemMailError> {
    MailToken::read(token).ok_or(RedeemMailError::Invalid("it is malformed"))
}

const fn used() -> RedeemMailError {
    RedeemMailError::Invalid("it was used")
}
