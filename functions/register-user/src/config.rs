//! What register-user reads from its environment.

use dynamodb::config::UsersTable;
use platform::mail_sender::MailSender;
use platform::settings::{InvalidSettings, Settings};
use security::password::HashCost;
use web::Cdn;

/// The configuration of register-user.
#[derive(Debug)]
pub struct Config {
    /// The accounts.
    pub users: UsersTable,
    /// The cost of a password hash.
    pub hash_cost: HashCost,
    /// The CDN in front of the API, if there is one.
    pub cdn: Option<Cdn>,
    /// From whom mails come; `None` if none are sent.
    pub mail_sender: Option<MailSender>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`], naming every setting that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, InvalidSettings> {
        let users = UsersTable::required(&mut settings);
        let hash_cost = HashCost::read(&mut settings);
        let cdn = settings.together(Cdn::SETTINGS, Cdn::read);
        let mail_sender = MailSender::read(&mut settings);
        settings.finish(users.map(|users| Self { users, hash_cost, cdn, mail_sender }))
    }
}
