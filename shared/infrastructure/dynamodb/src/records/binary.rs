//! Bytes as a binary attribute. By default serde writes an array of bytes as a list of numbers.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub(super) fn serialize<S: Serializer, const LENGTH: usize>(
    bytes: &[u8; LENGTH],
    s: S,
) -> Result<S::Ok, S::Error> {
    s.serialize_bytes(bytes)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>, const LENGTH: usize>(
    d: D,
) -> Result<[u8; LENGTH], D::Error> {
    d.deserialize_bytes(Bytes)
}

struct Bytes<const LENGTH: usize>;

impl<const LENGTH: usize> Visitor<'_> for Bytes<LENGTH> {
    type Value = [u8; LENGTH];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LENGTH} bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}
