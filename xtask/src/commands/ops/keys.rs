//! `cargo xtask ops keys`

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use dynamodb::administration::put_verification_key;
use dynamodb::config::{KeysTable, TableName};
use security::signing_key::SigningKey;

use super::target::DynamodbOptions;
use crate::commands::up::STACK_NAME;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a key that signs access tokens and writes it to a file that only its owner can read. A
    /// file that is there is kept.
    Create {
        /// The new file: a private JSON Web Key.
        file: PathBuf,
    },
    /// Puts the public part of a key into the keys table, where functions that verify tokens find it.
    Publish {
        /// The key's file, which is only read.
        file: PathBuf,
        #[command(flatten)]
        dynamodb: DynamodbOptions,
        /// The keys table; by default that of `cargo xtask up`.
        #[arg(long, value_name = "NAME", default_value_t = format!("{STACK_NAME}-KeysTable"))]
        keys_table: String,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { file } => {
            let key = SigningKey::generate()?;
            key.write(&file).with_context(|| format!("{} is not written", file.display()))?;
            println!("the key {} is in {}", key.kid(), file.display());
        }
        Command::Publish { file, dynamodb, keys_table } => {
            let key = SigningKey::read(&file)
                .with_context(|| format!("{} cannot be used", file.display()))?;
            let table = KeysTable::named(TableName::parse(&keys_table).context("--keys-table")?);
            let client = dynamodb.connect().await;
            put_verification_key(&client, &table, &key.verification_key())
                .await
                .with_context(|| format!("the key could not be put into {keys_table}"))?;
            println!("the public part of {} is in {keys_table}", key.kid());
        }
    }
    Ok(())
}
