//! YAML with CloudFormation's tags, turned into JSON in CloudFormation's long form.
//!
//! `serde-saphyr` was chosen because it is maintained, has no unsafe code, refuses duplicate keys
//! and reports a node's tag (`Tagged`) on scalars, lists and maps. `serde_yaml` is archived, and
//! its forks turn a tag into an enum value that would have to be converted back.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Tagged;

/// Parses `text`; `!Ref X` becomes `{"Ref": "X"}` and `!Sub X` becomes `{"Fn::Sub": "X"}`.
pub(super) fn parse(text: &str) -> Result<Value, serde_saphyr::Error> {
    // In YAML 1.1 a bare N, the type of a numeric key, is a boolean.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options::<LongForm>(text, options).map(|LongForm(value)| value)
}

/// A value in which every local tag has become the long form of its intrinsic function.
struct LongForm(Value);

impl<'de> Deserialize<'de> for LongForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged(Plain(value), tag) = Tagged::<Plain>::deserialize(deserializer)?;
        let key = match tag.as_deref().and_then(|tag| tag.strip_prefix('!')) {
            None => return Ok(Self(value)),
            Some(name @ ("Ref" | "Condition")) => name.to_owned(),
            Some(name) => format!("Fn::{name}"),
        };
        Ok(Self(Value::Object(Map::from_iter([(key, value)]))))
    }
}

/// A node's content without its tag.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(LongForm(item)) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, LongForm(value))) = entries.next_entry::<String, LongForm>()? {
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn tags_on_scalars_lists_and_maps_become_the_long_form() {
        let value = parse(
            "a: !Ref X\nb: !Sub '${X}-y'\nc: !If [On, !Ref Y, {d: !GetAtt Z.Arn}]\nd: !Not\n  - e: 1\n",
        )
        .unwrap();
        assert_eq!(
            value,
            json!({
                "a": {"Ref": "X"},
                "b": {"Fn::Sub": "${X}-y"},
                "c": {"Fn::If": ["On", {"Ref": "Y"}, {"d": {"Fn::GetAtt": "Z.Arn"}}]},
                "d": {"Fn::Not": [{"e": 1}]},
            })
        );
    }

    #[test]
    fn scalars_keep_their_types() {
        let value = parse("a: 1\nb: '1'\nc: true\nd: 'true'\ne:\nf: 2010-09-09\ng: 1.5\n").unwrap();
        assert_eq!(
            value,
            json!({"a": 1, "b": "1", "c": true, "d": "true", "e": null, "f": "2010-09-09", "g": 1.5})
        );
    }
}
