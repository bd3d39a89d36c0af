//! Accounts by address.

use application::outcome::Failure;
use application::ports::Accounts;
use aws_sdk_dynamodb::Client;
use domain::user::{Account, EmailAddress};

use crate::config::UsersTable;
use crate::keys;
use crate::reading::get;
use crate::records::{AccountRecord, EmailRecord};

/// Looks accounts up: whose the address is, then the user.
#[derive(Debug, Clone)]
pub struct DynamoAccounts {
    client: Client,
    users: UsersTable,
}

impl DynamoAccounts {
    /// Reads from this table.
    pub const fn new(client: Client, users: UsersTable) -> Self {
        Self { client, users }
    }
}

impl Accounts for DynamoAccounts {
    async fn by_email(&self, email: &EmailAddress) -> Result<Option<Account>, Failure> {
        let key = keys::simple(keys::email(email));
        let Some(owner) = get::<EmailRecord>(&self.client, self.users.as_str(), key).await? else {
            return Ok(None);
        };
        let key = keys::simple(keys::user(owner.user_id()?));
        let found: Option<AccountRecord> = get(&self.client, self.users.as_str(), key).await?;
        let account = found.map(Account::try_from).transpose()?;
        // Between the two reads the user may have taken another address.
        Ok(account.filter(|account| account.email == *email))
    }
}
