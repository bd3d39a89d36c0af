//! Replaces the key that signs access tokens, while tokens of the old one stay good until they expire.

use domain::instant::Instant;

use crate::lifetimes;
use crate::outcome::Failure;
use crate::ports::{Clock, SigningKeyGenerator, SigningKeyStore, VerificationKeyStore};

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

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the key that signs from now on.
    pub kid: String,
    /// The names of the keys that signed before, and until when they verify.
    pub replaced: Vec<(String, Instant)>,
}

impl<G, S, V, K> RotateSigningKey<G, S, V, K>
where
    G: SigningKeyGenerator,
    S: SigningKeyStore,
    V: VerificationKeyStore,
    K: Clock,
{
    /// Rotates, or makes the first key. The new public key is published before anything can be signed
    /// with the private one, and the old public keys retire only after no process can sign with theirs
    /// any more. A rotation that failed on the way is repeated as a whole: what it left behind is a
    /// public key that nobody signs with, and retires with the others.
    ///
    /// # Errors
    ///
    /// [`Failure`] of the step that failed; tokens of every key that was good before stay good.
    pub async fn execute(&self) -> Result<Rotated, Failure> {
        let (private, public) = self.generator.generate()?;
        let before = self.published.all(self.clock.now()).await?;
        self.published.put(&public).await?;
        self.signing.replace(&private).await?;
        let retires_at = self.clock.now().plus(lifetimes::REPLACED_KEY);
        let mut replaced = Vec::new();
        for mut key in before.into_iter().filter(|key| key.kid != public.kid) {
            // One that was replaced before keeps its time.
            let until = *key.retires_at.get_or_insert(retires_at);
            self.published.put(&key).await?;
            replaced.push((key.kid, until));
        }
        Ok(Rotated { kid: public.kid, replaced })
    }
}
