//! Bytes as a binary attribute. By default serde writes an array of bytes as a list of numbers.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub(super) fn serialize<Output: Serializer, const LENGTH: usize>(
    bytes: &[u8; LENGTH],
    serializer: Output,
) -> Result<Output::Ok, Output::Error> {
    serializer.serialize_bytes(bytes)
}

pub(super) fn deserialize<'de, Input: Deserializer<'de>, const LENGTH: usize>(
    deserializer: Input,
) -> Result<[u8; LENGTH], Input::Error> {
    deserializer.deserialize_bytes(Bytes)
}

struct Bytes<const LENGTH: usize>;

impl<const LENGTH: usize> Visitor<'_> for Bytes<LENGTH> {
    type Value = [u8; LENGTH];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LENGTH} bytes")
    }

    fn visit_bytes<Fault: Error>(self, bytes: &[u8]) -> Result<Self::Value, Fault> {
        bytes.try_into().map_err(|_| Fault::invalid_length(bytes.len(), &self))
    }
}
