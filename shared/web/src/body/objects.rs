//! A deserializer that reads a struct from an object and from nothing else.
//!
//! `serde_json` also accepts an array for a struct, with its elements in the order of the fields.
//! In the API's description an array is a wrong type there, so it is refused like any other.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

/// Wraps a deserializer, a visitor, an access or a seed, so that everything nested in it is wrapped
/// too.
pub(super) struct Objects<Inner>(pub(super) Inner);

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<Receiver: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: Receiver,
        ) -> Result<Receiver::Value, Self::Error> {
            self.0.$method($($argument,)* Objects(visitor))
        }
    )*};
}

impl<'de, Input: Deserializer<'de>> Deserializer<'de> for Objects<Input> {
    type Error = Input::Error;

    /// The one method that differs: it asks for a map, so an array is refused.
    fn deserialize_struct<Receiver: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: Receiver,
    ) -> Result<Receiver::Value, Self::Error> {
        self.0.deserialize_map(Objects(visitor))
    }

    forward! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_option()
        deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize) deserialize_map()
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier() deserialize_ignored_any()
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($type:ty))*) => {$(
        fn $method<Fault: Error>(self, value: $type) -> Result<Self::Value, Fault> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, Receiver: Visitor<'de>> Visitor<'de> for Objects<Receiver> {
    type Value = Receiver::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool(bool) visit_char(char)
        visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_unit<Fault: Error>(self) -> Result<Self::Value, Fault> {
        self.0.visit_unit()
    }

    fn visit_none<Fault: Error>(self) -> Result<Self::Value, Fault> {
        self.0.visit_none()
    }

    fn visit_some<Input: Deserializer<'de>>(
        self,
        value: Input,
    ) -> Result<Self::Value, Input::Error> {
        self.0.visit_some(Objects(value))
    }

    fn visit_newtype_struct<Input: Deserializer<'de>>(
        self,
        value: Input,
    ) -> Result<Self::Value, Input::Error> {
        self.0.visit_newtype_struct(Objects(value))
    }

    fn visit_seq<Elements: SeqAccess<'de>>(
        self,
        elements: Elements,
    ) -> Result<Self::Value, Elements::Error> {
        self.0.visit_seq(Objects(elements))
    }

    fn visit_map<Members: MapAccess<'de>>(
        self,
        members: Members,
    ) -> Result<Self::Value, Members::Error> {
        self.0.visit_map(Objects(members))
    }

    /// The content of a variant is not wrapped: none of our bodies has variants with fields.
    fn visit_enum<Variant: EnumAccess<'de>>(
        self,
        variant: Variant,
    ) -> Result<Self::Value, Variant::Error> {
        self.0.visit_enum(variant)
    }
}

impl<'de, Elements: SeqAccess<'de>> SeqAccess<'de> for Objects<Elements> {
    type Error = Elements::Error;

    fn next_element_seed<Seed: DeserializeSeed<'de>>(
        &mut self,
        seed: Seed,
    ) -> Result<Option<Seed::Value>, Self::Error> {
        self.0.next_element_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, Members: MapAccess<'de>> MapAccess<'de> for Objects<Members> {
    type Error = Members::Error;

    fn next_key_seed<Seed: DeserializeSeed<'de>>(
        &mut self,
        seed: Seed,
    ) -> Result<Option<Seed::Value>, Self::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<Seed: DeserializeSeed<'de>>(
        &mut self,
        seed: Seed,
    ) -> Result<Seed::Value, Self::Error> {
        self.0.next_value_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, Seed: DeserializeSeed<'de>> DeserializeSeed<'de> for Objects<Seed> {
    type Value = Seed::Value;

    fn deserialize<Input: Deserializer<'de>>(
        self,
        value: Input,
    ) -> Result<Self::Value, Input::Error> {
        self.0.deserialize(Objects(value))
    }
}
