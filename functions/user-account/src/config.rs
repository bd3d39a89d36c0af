//! What user-account reads from its environment.

use dynamodb::config::{KeysTable, UsersTable};
use platform::mail_sender::MailSender;
use security::password::HashCost;
use web::Cdn;

platform::configuration! {
    /// The configuration of user-account.
    pub struct Config {
        /// The accounts and sessions.
        pub users: UsersTable = UsersTable::required,
        /// The public keys of access tokens.
        pub keys: KeysTable = KeysTable::required,
        /// The cost of a password hash.
        pub hash_cost: HashCost = |settings| Some(HashCost::read(settings)),
        /// The CDN in front of the API, if there is one.
        pub cdn: Option<Cdn> = |settings| Some(settings.together(Cdn::SETTINGS, Cdn::read)),
        /// From whom mails come; `None` if none are sent.
        pub mail_sender: Option<MailSender> = |settings| Some(MailSender::read(settings)),
    }
}
