//! Replaces the key that signs access tokens, while tokens of the old one stay good until they
//! expire.
//!
//! In two steps, with a pause between them: others keep the public keys for some minutes, and would
//! refuse what is signed with a key that they don't know yet.

use std::time::Duration;

use domain::timestamp::Timestamp;
use secrecy::SecretString;

use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::{
    Clock, SigningKeyGenerator, SigningKeyStore, VerificationKey, VerificationKeyStore,
};

/// The use case with the ports it needs.
#[derive(Debug, Clone)]
pub struct RotateSigningKey<G, S, V, K> {
    /// Makes the new key pair.
    pub generator: G,
    /// Where the private key is kept.
    pub signing: S,
    /// Where the public keys are.
    pub published: V,
    /// The wall clock.
    pub clock: K,
}

/// A key pair whose public half is published, and which doesn't sign yet.
pub struct NewKey {
    /// Its name.
    pub kid: String,
    private: SecretString,
    /// The public keys that were there before it.
    before: Vec<VerificationKey>,
}

impl NewKey {
    /// How long it should be published before it signs: [`lifetimes::NEW_KEY`], so that who keeps
    /// the public keys for as long as he was told knows it by then, and nothing if it is the first
    /// one.
    pub fn pause(&self) -> Duration {
        if self.before.is_empty() { Duration::ZERO } else { lifetimes::NEW_KEY }
    }
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the key that signs from now on.
    pub kid: String,
    /// The names of the keys that signed before, and until when they verify.
    pub replaced: Vec<(String, Timestamp)>,
}

impl<G, S, V, K> RotateSigningKey<G, S, V, K>
where
    G: SigningKeyGenerator,
    S: SigningKeyStore,
    V: VerificationKeyStore,
    K: Clock,
{
    /// Makes a key pair and publishes its public half, with which nothing verifies yet. A rotation
    /// that failed on the way is repeated as a whole: what it left behind is a public key that
    /// nobody signs with, and retires with the others.
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

    /// Has everything signed with the new key from now on. The public keys before it retire only
    /// after no process can sign with theirs any more.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub async fn sign_with(&self, new: NewKey) -> Result<Rotated, Failure> {
        self.signing.replace(&new.private).await?;
        let retires_at = self.clock.now().plus(lifetimes::REPLACED_KEY);
        let mut replaced = Vec::new();
        for mut key in new.before {
            // One that was replaced before keeps its time.
            let until = *key.retires_at.get_or_insert(retires_at);
            self.published.put(&key).await?;
            replaced.push((key.kid, until));
        }
        Ok(Rotated { kid: new.kid, replaced })
    }
}
