//! `cargo xtask ops keys`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use application::operations::rotate_signing_key::{RotateSigningKey, Rotated};
use application::ports::SigningKeyStore;
use clap::{Args, Subcommand};
use dynamodb::DynamoVerificationKeys;
use dynamodb::config::{KeysTable, TableName};
use platform::clock::SystemClock;
use secretsmanager::{SecretId, SecretsManagerKey};
use security::signing_key::{Ed25519KeyGenerator, SigningKeyFile};

use super::printing::timestamp;
use super::target::DynamodbOptions;
use crate::commands::up::STACK_NAME;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a new key that signs access tokens, or the first one.
    ///
    /// The public half is published first. Six minutes later, when no cache of the old public keys
    /// is left, the private half is stored; user-login reads it within a minute. The first key does
    /// not wait. The previous key still verifies while its tokens are valid, 22 minutes from then,
    /// and then retires. Run one rotation at a time; if it fails, run it again.
    #[command(after_help = "Example, against `cargo xtask up --data DIR`:\n  \
        cargo xtask ops keys rotate --table http://127.0.0.1:8001 --signing-key-file DIR/signing-key.json")]
    Rotate {
        #[command(flatten)]
        dynamodb: DynamodbOptions,
        /// The table of public keys; by default that of `cargo xtask up`.
        #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-KeysTable"))]
        keys_table: String,
        #[command(flatten)]
        signing_key: SigningKeyOptions,
        /// Sign with the new key immediately: when the old one has leaked, or when only this
        /// deployment verifies tokens. Other services refuse new tokens until they fetch the public
        /// keys again.
        #[arg(long)]
        no_wait: bool,
    },
}

/// The store of the private key.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SigningKeyOptions {
    /// In this file, which need not exist yet.
    #[arg(long, value_name = "FILE")]
    signing_key_file: Option<PathBuf>,
    /// In this secret of AWS Secrets Manager, by name or ARN, which need not have a value yet.
    #[arg(long, value_name = "ID")]
    signing_key_secret: Option<String>,
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Rotate { dynamodb, keys_table, signing_key, no_wait } = command;
    let name = TableName::parse(&keys_table).context("--keys-table")?;
    let published = DynamoVerificationKeys::new(dynamodb.connect().await, KeysTable::named(name));
    let SigningKeyOptions { signing_key_file, signing_key_secret } = signing_key;
    let rotated = match (signing_key_file, signing_key_secret) {
        (Some(file), _) => rotate(SigningKeyFile::new(file), published, no_wait).await?,
        (None, secret) => {
            let secret = SecretId::parse(&secret.unwrap_or_default());
            let secret = secret.context("--signing-key-secret")?;
            let client = secretsmanager::connect().await;
            rotate(SecretsManagerKey::new(client, secret), published, no_wait).await?
        }
    };
    println!("{} signs from now on", rotated.kid);
    for (kid, until) in rotated.replaced {
        println!("{kid} verifies until {}", timestamp(until));
    }
    Ok(())
}

async fn rotate(
    signing: impl SigningKeyStore,
    published: DynamoVerificationKeys,
    no_wait: bool,
) -> anyhow::Result<Rotated> {
    let again = "the key is not rotated; run the command again";
    let rotate =
        RotateSigningKey { generator: Ed25519KeyGenerator, signing, published, clock: SystemClock };
    let new = rotate.publish().await.context(again)?;
    let pause = if no_wait { Duration::ZERO } else { new.pause() };
    if !pause.is_zero() {
        println!("{} is published and signs in {} s", new.kid, pause.as_secs());
        tokio::time::sleep(pause).await;
    }
    rotate.sign_with(new).await.context(again)
}
