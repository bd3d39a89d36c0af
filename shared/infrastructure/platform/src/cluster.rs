//! The settings of a `RocketMQ` cluster that several adapters or functions read.

use std::path::{Path, PathBuf};

use contracts::message::{DEAD_LETTER_SUFFIX, ORDER_TOPIC, USER_TOPIC};

use crate::settings::Settings;

/// The longest topic name, in characters. The dead-letter topic's name is longer, and `RocketMQ`
/// allows 127 (`TopicValidator.java`).
const TOPIC_LENGTH_MAX: usize = 127 - DEAD_LETTER_SUFFIX.len();

/// A setting is not valid. `Display` says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSetting(String);

/// The name of a topic, short enough for the broker's limit of its dead-letter topic's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicName(String);

impl TopicName {
    /// Takes 1 to 123 letters, digits, `_` and `-`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidSetting> {
        plain_name(text, TOPIC_LENGTH_MAX).map(Self)
    }

    /// Reads `ROCKETMQ_TOPIC`, by default [`ORDER_TOPIC`].
    pub fn of_orders(settings: &mut Settings) -> Self {
        settings.or_default("ROCKETMQ_TOPIC", Self(ORDER_TOPIC.to_owned()), Self::parse)
    }

    /// Reads `ROCKETMQ_USER_TOPIC`, by default [`USER_TOPIC`].
    pub fn of_users(settings: &mut Settings) -> Self {
        settings.or_default("ROCKETMQ_USER_TOPIC", Self(USER_TOPIC.to_owned()), Self::parse)
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads `ACCEPT_WITHOUT_BROKER`, by default `true`: whether orders are created while no broker can
/// be reached.
pub fn accept_without_broker(settings: &mut Settings) -> bool {
    settings.or_default("ACCEPT_WITHOUT_BROKER", true, str::parse)
}

/// Takes letters, digits, `_` and `-`, of which names in a cluster consist.
///
/// # Errors
///
/// [`InvalidSetting`] for anything else, and for a name that is empty or longer than `length_max`.
pub fn plain_name(text: &str, length_max: usize) -> Result<String, InvalidSetting> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || text.len() > length_max || !text.chars().all(plain) {
        return Err(InvalidSetting(format!("write 1 to {length_max} letters, digits, _ and -")));
    }
    Ok(text.to_owned())
}

/// The certificate authority that signed the cluster's certificates, in PEM. With it, connections
/// are encrypted and the cluster's certificate is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsCa {
    /// In a file.
    File(PathBuf),
    /// The certificate itself, as CloudFormation puts it into the environment.
    Pem(String),
}

impl TlsCa {
    /// Reads a certificate in PEM, or the path of an existing file with one.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] if there is no such file.
    pub fn parse(text: &str) -> Result<Self, InvalidSetting> {
        if text.starts_with("-----BEGIN CERTIFICATE-----") {
            return Ok(Self::Pem(text.to_owned()));
        }
        let path = Path::new(text);
        if !path.is_file() {
            return Err(InvalidSetting(
                "write the authority's certificate in PEM, or the path of an existing file with it"
                    .to_owned(),
            ));
        }
        Ok(Self::File(path.to_owned()))
    }

    /// Reads `ROCKETMQ_TLS_CA`; without it, connections are in plain text.
    pub fn optional(settings: &mut Settings) -> Option<Self> {
        settings.optional("ROCKETMQ_TLS_CA", Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_a_file_or_a_certificate() {
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
        assert_eq!(TlsCa::parse(pem), Ok(TlsCa::Pem(pem.to_owned())));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert_eq!(TlsCa::parse(file), Ok(TlsCa::File(file.into())));
    }

    #[test]
    fn the_order_topic_has_a_default() {
        let topic = |pairs: &[(&str, &str)]| {
            TopicName::of_orders(&mut Settings::from_pairs(pairs.iter().copied()))
        };
        assert_eq!(topic(&[]).as_str(), "ORDER_EVENTS");
        assert_eq!(topic(&[("ROCKETMQ_TOPIC", "OTHER")]).as_str(), "OTHER");
    }
}
