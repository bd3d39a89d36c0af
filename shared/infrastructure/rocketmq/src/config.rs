//! The adapters' settings from the environment.

use application::ports::Topic;
use contracts::message::DEAD_LETTER_SUFFIX;
use platform::cluster::plain_name;
pub use platform::cluster::{InvalidSetting, TlsCa, TopicName};
use platform::name_servers::NameServerAddresses;
use platform::settings::Settings;
use secrecy::SecretString;

/// The longest group name, in characters (`Validators.java`).
const GROUP_LENGTH_MAX: usize = 120;

/// The longest group prefix, in characters. It leaves room for the rest of a group's name, and
/// `RocketMQ` builds a retry topic's name from the names of a group and a topic.
const GROUP_PREFIX_LENGTH_MAX: usize = 64;

/// The name of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName(String);

impl GroupName {
    /// Takes 1 to 120 letters, digits, `_` and `-`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidSetting> {
        plain_name(text, GROUP_LENGTH_MAX).map(Self)
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The beginning of the names of this deployment's groups. A broker sends a check-back to any live
/// member of a group, whatever the topic, so two deployments on one cluster need different
/// prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPrefix(String);

impl GroupPrefix {
    /// Takes 1 to 64 letters, digits, `_` and `-`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidSetting> {
        plain_name(text, GROUP_PREFIX_LENGTH_MAX).map(Self)
    }

    /// The name of a group is this text, followed directly by the group's role.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account of the cluster. Every request names it and is signed with its secret.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account's name, which each request carries beside its signature.
    pub access_key: String,
    /// Signs requests and is never sent.
    pub secret_key: SecretString,
}

/// How to reach a cluster, and which of its topics and groups are ours.
#[derive(Debug, Clone)]
pub struct RocketmqConfig {
    /// `ROCKETMQ_NAMESRV_ADDR`, required.
    pub name_servers: NameServerAddresses,
    /// `ROCKETMQ_TOPIC`, by default [`ORDER_TOPIC`](contracts::message::ORDER_TOPIC).
    pub order_topic: TopicName,
    /// `ROCKETMQ_USER_TOPIC`, by default [`USER_TOPIC`](contracts::message::USER_TOPIC). It differs
    /// from `order_topic`.
    pub user_topic: TopicName,
    /// `ROCKETMQ_GROUP_PREFIX`, required.
    pub group_prefix: GroupPrefix,
    /// `ROCKETMQ_ACCESS_KEY` and `ROCKETMQ_SECRET_KEY`, both or neither.
    pub credentials: Option<Credentials>,
    /// `ROCKETMQ_TLS_CA`; without it, connections are in plain text.
    pub tls_ca: Option<TlsCa>,
}

impl RocketmqConfig {
    /// Reads the configuration. `None` means that a fault was recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let name_servers = settings.required("ROCKETMQ_NAMESRV_ADDR", NameServerAddresses::parse);
        let order_topic = TopicName::of_orders(settings);
        let user_topic = TopicName::of_users(settings);
        // An event's topic says which aggregates it belongs to, and the dead-letter topic has no
        // events. Either name may be its default.
        if user_topic == order_topic || user_topic.as_str() == dead_letter_topic(&order_topic) {
            let why = "write another topic than ROCKETMQ_TOPIC and its dead-letter topic";
            settings.refuse("ROCKETMQ_USER_TOPIC", why);
        }
        let group_prefix = settings.required("ROCKETMQ_GROUP_PREFIX", GroupPrefix::parse);
        let credentials = read_credentials(settings);
        let tls_ca = TlsCa::optional(settings);
        Some(Self {
            name_servers: name_servers?,
            order_topic,
            user_topic,
            group_prefix: group_prefix?,
            credentials: credentials?,
            tls_ca,
        })
    }

    /// The group of the producers, which is never asked about a half message.
    pub(crate) fn create_order_group(&self) -> String {
        self.group("create-order")
    }

    /// The group that brokers ask about half messages. Its only members are the processes that
    /// answer.
    pub(crate) fn transaction_check_group(&self) -> String {
        self.group("transaction-check")
    }

    /// The group that consumes both event topics.
    pub(crate) fn event_consumer_group(&self) -> String {
        self.group("event-consumer")
    }

    fn group(&self, role: &str) -> String {
        format!("{}{role}", self.group_prefix.as_str())
    }

    /// The name of a topic in this deployment, from `ROCKETMQ_TOPIC` or `ROCKETMQ_USER_TOPIC`.
    pub fn topic_name(&self, topic: Topic) -> &str {
        match topic {
            Topic::Orders => self.order_topic.as_str(),
            Topic::Users => self.user_topic.as_str(),
        }
    }

    /// The topic of this name, if it is one of ours.
    pub(crate) fn topic_of(&self, name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| self.topic_name(*topic) == name)
    }

    /// The name of the topic that announces the dead letters of both topics.
    pub fn dead_letter_topic(&self) -> String {
        dead_letter_topic(&self.order_topic)
    }
}

fn dead_letter_topic(order_topic: &TopicName) -> String {
    format!("{}{DEAD_LETTER_SUFFIX}", order_topic.as_str())
}

/// The outer `None` means that a fault was recorded; the inner `None` that there are no
/// credentials.
fn read_credentials(settings: &mut Settings) -> Option<Option<Credentials>> {
    let text = |text: &str| Ok::<_, InvalidSetting>(text.to_owned());
    let secret = |text: &str| Ok::<_, InvalidSetting>(SecretString::from(text));
    let access_key = settings.optional("ROCKETMQ_ACCESS_KEY", text);
    let secret_key = settings.optional("ROCKETMQ_SECRET_KEY", secret);
    match (access_key, secret_key) {
        (Some(access_key), Some(secret_key)) => Some(Some(Credentials { access_key, secret_key })),
        (None, None) => Some(None),
        (None, Some(_)) => {
            settings.required("ROCKETMQ_ACCESS_KEY", text);
            None
        }
        (Some(_), None) => {
            settings.required("ROCKETMQ_SECRET_KEY", secret);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<RocketmqConfig, String> {
        let mut settings = Settings::from_pairs(pairs.iter().copied());
        let config = RocketmqConfig::read(&mut settings);
        settings.finish(config).map_err(|faults| faults.to_string())
    }

    const NAMESRV: (&str, &str) = ("ROCKETMQ_NAMESRV_ADDR", "a:9876; b:9877,");
    const PREFIX: (&str, &str) = ("ROCKETMQ_GROUP_PREFIX", "shop-");

    #[test]
    fn settings_that_are_the_same_in_all_stages_have_defaults() {
        let config = read(&[NAMESRV, PREFIX]).unwrap();
        assert_eq!(config.name_servers.joined(), "a:9876;b:9877");
        assert_eq!(config.topic_name(Topic::Orders), "ORDER_EVENTS");
        assert_eq!(config.dead_letter_topic(), "ORDER_EVENTS_DLQ");
        assert_eq!(config.topic_name(Topic::Users), "USER_EVENTS");
        assert_eq!(config.topic_of("ORDER_EVENTS"), Some(Topic::Orders));
        assert_eq!(config.topic_of("USER_EVENTS"), Some(Topic::Users));
        assert_eq!(config.topic_of("ORDER_EVENTS_DLQ"), None);
        assert_eq!(config.transaction_check_group(), "shop-transaction-check");
        assert!(config.credentials.is_none() && config.tls_ca.is_none());
    }

    #[test]
    fn every_fault_says_what_to_write_instead() {
        let faults = read(&[
            ("ROCKETMQ_NAMESRV_ADDR", "http://a:9876"),
            ("ROCKETMQ_TOPIC", "orders events"),
            ("ROCKETMQ_USER_TOPIC", "ORDER_EVENTS"),
            ("ROCKETMQ_TLS_CA", "/no/such/file"),
        ])
        .unwrap_err();
        assert!(faults.contains("ROCKETMQ_USER_TOPIC: write another topic"), "{faults}");
        assert!(faults.contains("ROCKETMQ_NAMESRV_ADDR: write host:port without a scheme"));
        assert!(faults.contains("ROCKETMQ_TOPIC: write 1 to 123 letters"));
        assert!(faults.contains("ROCKETMQ_GROUP_PREFIX is not set"));
        assert!(faults.contains("ROCKETMQ_TLS_CA: write the authority's certificate in PEM"));
    }

    #[test]
    fn the_topics_must_differ_even_if_one_of_them_is_the_default() {
        for topics in [
            [("ROCKETMQ_TOPIC", "USER_EVENTS"), ("ROCKETMQ_USER_TOPIC", "")],
            [("ROCKETMQ_TOPIC", ""), ("ROCKETMQ_USER_TOPIC", "ORDER_EVENTS")],
            [("ROCKETMQ_TOPIC", ""), ("ROCKETMQ_USER_TOPIC", "ORDER_EVENTS_DLQ")],
            [("ROCKETMQ_TOPIC", "A"), ("ROCKETMQ_USER_TOPIC", "A")],
            [("ROCKETMQ_TOPIC", "A"), ("ROCKETMQ_USER_TOPIC", "A_DLQ")],
        ] {
            let faults = read(&[&[NAMESRV, PREFIX], topics.as_slice()].concat()).unwrap_err();
            assert!(faults.contains("ROCKETMQ_USER_TOPIC: write another topic"), "{faults}");
        }
    }

    #[test]
    fn credentials_come_in_pairs() {
        let faults = read(&[NAMESRV, PREFIX, ("ROCKETMQ_SECRET_KEY", "s3cret")]).unwrap_err();
        assert!(faults.contains("ROCKETMQ_ACCESS_KEY is not set") && !faults.contains("s3cret"));
        let faults = read(&[NAMESRV, PREFIX, ("ROCKETMQ_ACCESS_KEY", "me")]).unwrap_err();
        assert!(faults.contains("ROCKETMQ_SECRET_KEY is not set"));
        let both = [NAMESRV, PREFIX, ("ROCKETMQ_ACCESS_KEY", "me"), ("ROCKETMQ_SECRET_KEY", "s")];
        assert_eq!(read(&both).unwrap().credentials.unwrap().access_key, "me");
    }
}
