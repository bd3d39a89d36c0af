//! Replaces the key that signs access tokens. Tokens of the old key stay good until they expire.
//!
//! There is a pause between the two steps: others cache the public keys for some minutes, and would
//! refuse a token that is signed with a key that they don't know yet.

use std::time::Duration;

use domain::timestamp::Timestamp;
use secrecy::SecretString;

use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::{
    Clock, SigningKeyGenerator, SigningKeyStore, VerificationKey, VerificationKeyStore,
};

#[derive(Debug, Clone)]
pub struct RotateSigningKey<Generator, Signing, Published, Time> {
    pub generator: Generator,
    pub signing: Signing,
    pub published: Published,
    pub clock: Time,
}

/// A key pair whose public half is published, and whose private half doesn't sign yet.
pub struct NewKey {
    /// The name of the key, which is in the header of its tokens.
    pub kid: String,
    private: SecretString,
    /// The public keys that were published before this one.
    before: Vec<VerificationKey>,
}

impl NewKey {
    /// How long the key should be published before it signs: [`lifetimes::NEW_KEY`], so that
    /// everybody who caches the public keys no longer than allowed knows it by then. Zero for the
    /// first key.
    pub fn pause(&self) -> Duration {
        if self.before.is_empty() { Duration::ZERO } else { lifetimes::NEW_KEY }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the key that signs from now on.
    pub kid: String,
    /// The names of the keys published before, and until when they verify.
    pub replaced: Vec<(String, Timestamp)>,
}

impl<Generator, Signing, Published, Time> RotateSigningKey<Generator, Signing, Published, Time>
where
    Generator: SigningKeyGenerator,
    Signing: SigningKeyStore,
    Published: VerificationKeyStore,
    Time: Clock,
{
    /// Makes a key pair and publishes its public half, which verifies no token yet. A rotation that
    /// failed in between is repeated as a whole: it leaves behind a public key that nobody signs
    /// with, and that retires with the others.
    ///
    /// # Errors
    ///
    /// [`Failure`] of the step that failed; tokens of every key that was good before stay good.
    pub async fn publish(&self) -> Result<NewKey, Failure> {
        let (private, public) = self.generator.generate()?;
        let before = self.published.all(self.clock.now()).await?;
        self.published.put(&public).await?;
        Ok(NewKey { kid: public.kid, private, before })
    }

    /// Makes the new key the signing key. The public keys before it retire only after no process
    /// can sign with their private halves any more.
    ///
    /// # Errors
    ///
    /// The same as for [`Self::publish`].
    pub async fn sign_with(&self, new: NewKey) -> Result<Rotated, Failure> {
        self.signing.replace(&new.private).await?;
        let retires_at = self.clock.now().plus(lifetimes::REPLACED_KEY);
        let mut replaced = Vec::new();
        for mut key in new.before {
            // A key that was replaced earlier keeps its time.
            let until = *key.retires_at.get_or_insert(retires_at);
            self.published.put(&key).await?;
            replaced.push((key.kid, until));
        }
        Ok(Rotated { kid: new.kid, replaced })
    }
}
