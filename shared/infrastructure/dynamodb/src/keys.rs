//! The keys of items, for adapters, operators' tools and tests.

use application::ports::{
    ActivityOwner, AddressDigest, DeadLetterId, GuessTarget, Source, TokenHash,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::AddressKey;
use domain::aggregate::AggregateKey;
use domain::identity::{ActivityId, MailId, OrderId, ProductId, SessionId, UserId};
use domain::order::{OpenCount, OpenPeriod};
use domain::pending::Rank;

use crate::item::{Item, in_stable_order, text};

/// `USER#<user_id>`: in the orders table the partition of a user's orders, in the users table that
/// of their account and activities.
pub fn user(user_id: UserId) -> String {
    format!("USER#{user_id}")
}

/// `ORDER#<order_id>`, the sort key of an order within its user's partition.
pub fn order(order_id: OrderId) -> String {
    format!("ORDER#{order_id}")
}

/// The order with this sort key, if the key is one of an order.
pub(crate) fn order_of(sk: &str) -> Option<OrderId> {
    sk.strip_prefix("ORDER#")?.parse().ok()
}

/// `DEAD#<event_id>`, or `DEAD#<message id>` if the event could not be read.
pub fn dead_letter(id: &DeadLetterId) -> String {
    format!("DEAD#{id}")
}

/// The dead letter with this key, if the key is one of a dead letter.
pub(crate) fn dead_letter_of(pk: &str) -> Option<DeadLetterId> {
    DeadLetterId::parse(pk.strip_prefix("DEAD#")?).ok()
}

/// `EMAIL#<address>`, where the account of an address is found.
pub fn email(address: &AddressKey) -> String {
    format!("EMAIL#{}", address.as_str())
}

/// A partition that no user has. It is read when an address belongs to no account.
pub(crate) const NO_USER: &str = "USER#NOBODY";

/// The partition of a user's activities, or of refused logins to an address without an account.
pub(crate) fn activities_of(owner: ActivityOwner) -> String {
    match owner {
        ActivityOwner::User(user_id) => user(user_id),
        ActivityOwner::UnknownAddress(address) => format!("NOBODY#{address}"),
    }
}

/// The beginning of the sort key of every activity.
pub(crate) const ACTIVITIES: &str = "ACTIVITY#";

/// `ACTIVITY#<activity_id>`, the sort key of an activity. Identifiers sort by time.
pub fn activity(id: ActivityId) -> String {
    format!("{ACTIVITIES}{id}")
}

/// The activity with this sort key, if the key is one of an activity.
pub(crate) fn activity_of(sk: &str) -> Option<ActivityId> {
    sk.strip_prefix(ACTIVITIES)?.parse().ok()
}

/// The partition of the networks that an account knows.
pub(crate) fn sources_of(address: AddressDigest) -> String {
    format!("SOURCES#{address}")
}

/// The beginning of the sort key of every network.
pub(crate) const SOURCES: &str = "SOURCE#";

/// `SOURCE#<network>`, the sort key of a network that an account knows.
pub fn source(source: Source) -> String {
    format!("{SOURCES}{source}")
}

/// `SESSION#<session_id>`, the partition of a session alone.
pub fn session(id: SessionId) -> String {
    format!("SESSION#{id}")
}

/// `MAIL#<mail_id>`: the partition of a request for a mail, or its sort key in the partition of an
/// address without an account.
pub fn mail(id: MailId) -> String {
    format!("MAIL#{id}")
}

/// `TOKEN#<hash>`, the partition of a used refresh token.
pub fn refresh_token(hash: TokenHash) -> String {
    format!("TOKEN#{hash}")
}

/// `GUESS#<target>`, the partition of the guesses that count together.
pub fn guesses(target: GuessTarget) -> String {
    format!("GUESS#{target}")
}

/// `PRODUCT#<product_id>`, the whole key of a product.
pub fn product(product_id: ProductId) -> String {
    format!("PRODUCT#{product_id}")
}

/// The product with this key, if the key is one of a product.
pub(crate) fn product_of(pk: &str) -> Option<ProductId> {
    ProductId::new(pk.strip_prefix("PRODUCT#")?.parse().ok()?).ok()
}

/// `KEY#<kid>`, the whole key of a public key.
pub fn verification_key(kid: &str) -> String {
    format!("KEY#{kid}")
}

/// How many shards each rank of the index of pending events has.
///
/// A partition of an index accepts 1,000 write units a second
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>).
pub const PENDING_SHARDS: u8 = 64;

/// The shards of a rank, `1#00` to `1#63` or `2#00` to `2#63`.
pub(crate) fn pending_shards(rank: Rank) -> impl Iterator<Item = String> {
    (0..PENDING_SHARDS).map(move |shard| pending_shard_name(rank, shard))
}

/// The shard of an aggregate, by the end of its identifier, which is random or a digest.
pub fn pending_shard(rank: Rank, key: AggregateKey) -> String {
    let last = match key {
        AggregateKey::Order { order_id, .. } => last_byte(order_id.as_uuid().as_bytes()),
        AggregateKey::Session { session_id } => last_byte(session_id.as_uuid().as_bytes()),
        AggregateKey::Mail { mail_id } => last_byte(mail_id.as_uuid().as_bytes()),
        AggregateKey::Account { user_id } => last_byte(&user_id.get().to_be_bytes()),
    };
    pending_shard_name(rank, last % PENDING_SHARDS)
}

fn last_byte(bytes: &[u8]) -> u8 {
    bytes.last().copied().unwrap_or_default()
}

fn pending_shard_name(rank: Rank, shard: u8) -> String {
    let rank = match rank {
        Rank::First => 1,
        Rank::Second => 2,
    };
    format!("{rank}#{shard:02}")
}

/// The key of an item in a table whose key is `pk` alone.
pub(crate) fn simple(pk: String) -> Item {
    in_stable_order([("pk".to_owned(), AttributeValue::S(pk))])
}

/// The key of an aggregate's item.
pub(crate) fn of_aggregate(key: AggregateKey) -> Item {
    match key {
        AggregateKey::Order { user_id, order_id } => of_order(user_id, order_id),
        AggregateKey::Account { user_id } => record(user(user_id)),
        AggregateKey::Session { session_id } => record(session(session_id)),
        AggregateKey::Mail { mail_id } => record(mail(mail_id)),
    }
}

/// The aggregate with this key, if the key is one of an aggregate.
pub(crate) fn aggregate_of(pk: &str, sk: &str) -> Option<AggregateKey> {
    if sk == RECORD {
        return pk.parse().ok();
    }
    format!("{pk}/{sk}").parse().ok()
}

/// The key of an order.
pub(crate) fn of_order(user_id: UserId, order_id: OrderId) -> Item {
    compound(user(user_id), order(order_id))
}

/// The key of a count of open units, among its user's orders.
pub(crate) fn open_units(count: OpenCount) -> Item {
    compound(user(count.user_id), open_units_in(count.period))
}

/// `OPEN#<period>`, the sort key of a count of open units within its user's partition.
pub fn open_units_in(period: OpenPeriod) -> String {
    format!("OPEN#{}", period.number())
}

/// The sort key of an item that is the only one of its kind in its partition.
pub const RECORD: &str = "RECORD";

/// The key of an item with the sort key [`RECORD`].
pub(crate) fn record(pk: String) -> Item {
    compound(pk, RECORD.to_owned())
}

/// A key in a table with a sort key.
pub(crate) fn compound(pk: String, sk: String) -> Item {
    in_stable_order([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_in_one_of_64_shards_of_a_rank_by_the_end_of_its_identifier() {
        let user_id = UserId::new(123).unwrap();
        let shard = |rank, id: &str| {
            let order_id = id.parse().unwrap();
            pending_shard(rank, AggregateKey::Order { user_id, order_id })
        };
        assert_eq!(shard(Rank::First, "01890a5d-ac96-774b-bcce-b302099a8057"), "1#23");
        assert_eq!(shard(Rank::Second, "01890a5d-ac96-774b-bcce-b302099a80ff"), "2#63");
        for rank in [Rank::First, Rank::Second] {
            let all: Vec<_> = pending_shards(rank).collect();
            assert_eq!(all.len(), 64);
            assert_eq!(all[0x17], shard(rank, "01890a5d-ac96-774b-bcce-b302099a8057"));
        }
    }

    #[test]
    fn the_key_of_an_aggregate_is_read_back_from_its_item() {
        let user_id = UserId::new(123).unwrap();
        let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
        for key in [
            AggregateKey::Order { user_id, order_id: uuid.parse().unwrap() },
            AggregateKey::Account { user_id },
            AggregateKey::Session { session_id: uuid.parse().unwrap() },
            AggregateKey::Mail { mail_id: uuid.parse().unwrap() },
        ] {
            let item = of_aggregate(key);
            let part = |name| item.get(name).unwrap().as_s().unwrap().as_str();
            assert_eq!(aggregate_of(part("pk"), part("sk")), Some(key));
        }
        for (pk, sk) in [("USER#123", "ACTIVITY#1"), ("EMAIL#a@b", RECORD), ("TOKEN#1", RECORD)] {
            assert_eq!(aggregate_of(pk, sk), None, "{pk} {sk}");
        }
    }
}
