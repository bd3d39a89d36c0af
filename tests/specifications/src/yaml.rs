//! Documents as text.

use std::io;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// The members that come first in every map, in this order; the others follow by name.
const FIRST: [&str; 18] = [
    "openapi",
    "asyncapi",
    "$schema",
    "$id",
    "info",
    "servers",
    "operationId",
    "action",
    "title",
    "name",
    "in",
    "type",
    "format",
    "summary",
    "description",
    "tags",
    "parameters",
    "requestBody",
];

/// The members that come last, in this order.
const LAST: [&str; 3] = ["links", "example", "components"];

/// What begins each file.
const HEAD: &str = "# Made from the code by `cargo xtask contracts`. Do not edit.\n";

/// A document as YAML. Readers of YAML 1.1 and of 1.2 understand it alike: texts that one of them
/// would take for something else are in quotes.
pub(crate) fn text(document: &Value) -> io::Result<String> {
    let options =
        serde_saphyr::ser_options! { compact_list_indent: false, prefer_block_scalars: false };
    let body = serde_saphyr::to_string_with_options(&Ordered(document), options);
    Ok(format!("{HEAD}{}", body.map_err(io::Error::other)?))
}

/// A value whose maps are written in the order that people read.
struct Ordered<'a>(&'a Value);

fn rank(name: &str) -> (usize, &str) {
    let first = FIRST.iter().position(|known| *known == name);
    let last = LAST.iter().position(|known| *known == name);
    let rank = first.or(last.map(|position| FIRST.len() + 1 + position));
    (rank.unwrap_or(FIRST.len()), name)
}

impl Serialize for Ordered<'_> {
    fn serialize<Writer: Serializer>(&self, writer: Writer) -> Result<Writer::Ok, Writer::Error> {
        match self.0 {
            Value::Object(members) => {
                let mut names: Vec<_> = members.iter().collect();
                names.sort_by_key(|(name, _)| rank(name));
                let mut map = writer.serialize_map(Some(names.len()))?;
                for (name, value) in names {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => {
                let mut list = writer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Ordered(item))?;
                }
                list.end()
            }
            scalar => scalar.serialize(writer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let document = json!({
            "texts": ["no", "on", "1.0", "0x1", "2026-01-31", "a: b", "# c", "", " d", "e\nf", "é"],
            "numbers": [0, 9_007_199_254_740_991_u64, 1.5],
            "others": [true, null, {}, []],
            "/v1/orders/{order_id}": {"200": {"x": "y"}},
            "info": "first",
        });
        let written = text(&document).unwrap();
        assert!(written.starts_with(&format!("{HEAD}info: first\n")), "{written}");
        assert_eq!(serde_saphyr::from_str::<Value>(&written).unwrap(), document, "{written}");
    }
}
