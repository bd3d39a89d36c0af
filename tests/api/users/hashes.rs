//! Passwords as they are stored.

use application::ports::{IdentitySource, PasswordHasher};
use domain::account::{Account, EmailAddress};
use domain::event::EventStamp;
use dynamodb::administration::put_account;
use dynamodb::config::{TableName, UsersTable};
use platform::identity::UuidIdentitySource;
use secrecy::SecretString;
use security::password::{Argon2idHasher, HashCost};

use super::{PASSWORD, Visitor, WRONG, new_email};
use crate::app::{App, with_app};

pub(super) async fn put_hashed_at(app: &App, email: &str, cost: HashCost) -> u64 {
    let hasher = Argon2idHasher::new(cost).unwrap();
    let hash = hasher.hash(SecretString::from(PASSWORD)).await.unwrap();
    let user_id = UuidIdentitySource.user_id().unwrap();
    let email = EmailAddress::parse(email).unwrap();
    let stamp = EventStamp::untraced(UuidIdentitySource.event_id(), 1);
    let (account, _) = Account::register(user_id, email, hash, super::login::now(), stamp);
    let tables = dynamodb::connect_to(&app.system.endpoints.table_url);
    let name = TableName::parse(app.system.names.table("UsersTable").unwrap()).unwrap();
    let attempt = UuidIdentitySource.transaction_id();
    put_account(&tables, &UsersTable::named(name), &account, attempt).await.unwrap();
    user_id.get()
}

/// The parts of a stored hash between its `$` signs (the PHC string format): algorithm, version,
/// parameters, salt and output.
async fn stored_hash(app: &App, user_id: u64) -> [String; 5] {
    let user = format!("USER#{user_id}");
    let item = app.item("UsersTable", &[("pk", &user), ("sk", "RECORD")]).await.unwrap();
    let phc = item["password_hash"].as_s().unwrap();
    let parts: Vec<_> = phc.strip_prefix('$').unwrap().split('$').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

fn memory_kib_and_passes(parameters: &str) -> (u32, u32) {
    let mut values = parameters.split(',').map(|part| part.split_once('=').unwrap());
    let mut next = |name| {
        let (found, value) = values.next().unwrap();
        assert_eq!(found, name);
        value.parse().unwrap()
    };
    let (memory_kib, passes, lanes) = (next("m"), next("t"), next("p"));
    assert_eq!(lanes, 1);
    (memory_kib, passes)
}

#[test]
fn a_stored_hash_costs_at_least_what_owasp_asks_for() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("hashed");
        let [algorithm, version, parameters, salt, output] =
            stored_hash(app, visitor.register(&email).await).await;
        assert_eq!((algorithm.as_str(), version.as_str()), ("argon2id", "v=19"));
        // OWASP ASVS 5.0, Appendix C.
        let (memory_kib, passes) = memory_kib_and_passes(&parameters);
        let least = match passes {
            1 => 47_104,
            2 => 19_456,
            _ => 12_288,
        };
        assert!(memory_kib >= least, "{parameters}");
        // 16 and 32 bytes in base64.
        assert_eq!((salt.len(), output.len()), (22, 43));
        let twin = visitor.register(&new_email("hashed")).await;
        let [.., other_salt, other_output] = stored_hash(app, twin).await;
        assert!(salt != other_salt && output != other_output, "the same password");
    });
}

#[test]
fn an_older_and_cheaper_hash_is_replaced_at_a_login_with_the_right_password() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let email = new_email("older");
        let older = HashCost { memory_kib: 12_288, passes: 3 };
        let user_id = put_hashed_at(app, &email, older).await;
        let before = stored_hash(app, user_id).await;
        assert_eq!(memory_kib_and_passes(&before[2]), (12_288, 3));
        assert_eq!(visitor.try_to_log_in(&email, WRONG).await.status(), 401);
        assert_eq!(stored_hash(app, user_id).await, before);
        visitor.log_in(&email).await;
        let after = stored_hash(app, user_id).await;
        assert_eq!(memory_kib_and_passes(&after[2]), (19_456, 2));
        assert_ne!(after[3], before[3]);
        visitor.log_in(&email).await;
        assert_eq!(stored_hash(app, user_id).await, after);
    });
}
