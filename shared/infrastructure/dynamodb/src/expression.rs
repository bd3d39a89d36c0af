//! Conditions and changes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::item::{Item, steady};

/// That there is no item of that key.
pub(crate) const ABSENT: &str = "attribute_not_exists(#pk)";

/// That there is an item of that key.
pub(crate) const PRESENT: &str = "attribute_exists(#pk)";

/// A change of one item.
///
/// Attributes are written `#name`, all of them: many everyday words are reserved
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>).
#[derive(Debug)]
pub(crate) struct Change {
    /// Of which item.
    pub(crate) key: Item,
    /// What changes.
    pub(crate) update: &'static str,
    /// Unless this holds, nothing does.
    pub(crate) condition: &'static str,
    /// The values behind the `:placeholders`, each of which occurs.
    pub(crate) values: Vec<(&'static str, AttributeValue)>,
}

impl Change {
    /// The attributes that it names.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        names(&[self.update, self.condition])
    }
}

/// The attributes that expressions name, or none: an empty map is refused.
pub(crate) fn names(expressions: &[&str]) -> Option<HashMap<String, String>> {
    let found =
        expressions.iter().flat_map(|expression| expression.split('#').skip(1)).map(|rest| {
            let end =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or(rest);
            (format!("#{name}"), name.to_owned())
        });
    Some(steady(found)).filter(|names| !names.is_empty())
}

/// The values of expressions, or none: an empty map is refused.
pub(crate) fn values(values: Vec<(&'static str, AttributeValue)>) -> Option<Item> {
    let values = steady(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Some(values).filter(|values| !values.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_of_an_expression_is_named_once() {
        let found = names(&["SET #stock = #stock - :q REMOVE #sweep_due_ms", ABSENT]).unwrap();
        let mut found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [("#pk", "pk"), ("#stock", "stock"), ("#sweep_due_ms", "sweep_due_ms")]);
        assert_eq!(names(&["size(:a) > :b"]), None);
    }
}
