//! What register-user reads from its environment.

use dynamodb::config::UsersTable;
use platform::mail_sender::MailSender;
use security::password::HashCost;
use web::Cdn;

platform::configuration! {
    pub struct Config {
        pub users: UsersTable = UsersTable::required,
        pub hash_cost: HashCost = |settings| Some(HashCost::read(settings)),
        pub cdn: Option<Cdn> = |settings| Some(settings.together(Cdn::SETTINGS, Cdn::read)),
        /// The sender of mails; `None` if no mails are sent.
        pub mail_sender: Option<MailSender> = |settings| Some(MailSender::read(settings)),
    }
}
