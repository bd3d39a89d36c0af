//! Builds condition and update expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::item::{Item, in_stable_order};

/// The condition that there is no item with this key.
pub(crate) const ABSENT: &str = "attribute_not_exists(#pk)";

/// A change of one item.
///
/// All attributes are written as `#name`, because many common words are reserved
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>).
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: Item,
    pub(crate) update: &'static str,
    /// The condition. If it does not hold, nothing changes.
    pub(crate) condition: &'static str,
    /// The values of the `:placeholders`, each of which is used.
    pub(crate) values: Vec<(&'static str, AttributeValue)>,
}

impl Change {
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        names(&[self.update, self.condition])
    }
}

/// A change of one item with the names and values of its expressions, ready to be sent.
#[derive(Debug)]
pub(crate) struct ItemUpdate {
    pub(crate) key: Item,
    pub(crate) update: String,
    pub(crate) condition: String,
    pub(crate) names: Option<HashMap<String, String>>,
    pub(crate) values: Option<Item>,
}

impl ItemUpdate {
    /// Adds the update to a call.
    pub(crate) fn on(self, call: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        call.set_key(Some(self.key))
            .update_expression(self.update)
            .condition_expression(self.condition)
            .set_expression_attribute_names(self.names)
            .set_expression_attribute_values(self.values)
    }
}

impl From<Change> for ItemUpdate {
    fn from(change: Change) -> Self {
        Self {
            names: change.names(),
            key: change.key,
            update: change.update.to_owned(),
            condition: change.condition.to_owned(),
            values: values(change.values),
        }
    }
}

/// An update whose parts depend on what changes.
///
/// Paths are written as in [`Change`]. A name that is not an attribute of every such item, such as
/// an identifier that is a key of a map, gets a placeholder from [`Self::name`].
#[derive(Debug, Default)]
pub(crate) struct UpdateBuilder {
    set: Vec<String>,
    remove: Vec<String>,
    /// The names of `#n0`, `#n1` …
    names: Vec<String>,
    /// The values of `:v0`, `:v1` …
    values: Vec<AttributeValue>,
}

impl UpdateBuilder {
    /// The placeholder of a name, the same one each time.
    pub(crate) fn name(&mut self, name: impl ToString) -> String {
        let name = name.to_string();
        let known = self.names.iter().position(|known| *known == name);
        let position = known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        format!("#n{position}")
    }

    /// The placeholder of a value.
    pub(crate) fn value(&mut self, value: AttributeValue) -> String {
        self.values.push(value);
        format!(":v{}", self.values.len() - 1)
    }

    pub(crate) fn set(&mut self, path: &str, value: AttributeValue) {
        let placeholder = self.value(value);
        self.set.push(format!("{path} = {placeholder}"));
    }

    /// Sets an attribute that does not exist yet.
    pub(crate) fn set_if_absent(&mut self, path: &str, value: AttributeValue) {
        let placeholder = self.value(value);
        self.set.push(format!("{path} = if_not_exists({path}, {placeholder})"));
    }

    /// Adds to an existing number.
    pub(crate) fn add(&mut self, path: &str, value: AttributeValue) {
        let placeholder = self.value(value);
        self.set.push(format!("{path} = {path} + {placeholder}"));
    }

    /// Appends to an existing list.
    pub(crate) fn append(&mut self, path: &str, element: AttributeValue) {
        let placeholder = self.value(AttributeValue::L(vec![element]));
        self.set.push(format!("{path} = list_append({path}, {placeholder})"));
    }

    pub(crate) fn remove(&mut self, path: impl Into<String>) {
        self.remove.push(path.into());
    }

    /// The finished update of an item. If the condition does not hold, nothing changes.
    pub(crate) fn when(self, key: Item, condition: String) -> ItemUpdate {
        let clause = |word: &str, parts: &[String]| {
            (!parts.is_empty()).then(|| format!("{word} {}", parts.join(", ")))
        };
        let clauses = [clause("SET", &self.set), clause("REMOVE", &self.remove)];
        let update = clauses.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let given = self.names.into_iter().enumerate();
        let given = given.map(|(position, name)| (format!("#n{position}"), name));
        let written = names(&[&update, &condition]).into_iter().flatten();
        // The given names come last: their placeholders are not their names.
        let names = in_stable_order(written.chain(given));
        let values = self.values.into_iter().enumerate();
        let values =
            in_stable_order(values.map(|(position, value)| (format!(":v{position}"), value)));
        ItemUpdate {
            key,
            update,
            condition,
            names: Some(names).filter(|names| !names.is_empty()),
            values: Some(values).filter(|values| !values.is_empty()),
        }
    }
}

/// The attributes that expressions name. `None` if there are none, because DynamoDB refuses an
/// empty map.
pub(crate) fn names(expressions: &[&str]) -> Option<HashMap<String, String>> {
    let found =
        expressions.iter().flat_map(|expression| expression.split('#').skip(1)).map(|rest| {
            let end =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or(rest);
            (format!("#{name}"), name.to_owned())
        });
    Some(in_stable_order(found)).filter(|names| !names.is_empty())
}

/// The values of expressions. `None` if there are none, because DynamoDB refuses an empty map.
pub(crate) fn values(values: Vec<(&'static str, AttributeValue)>) -> Option<Item> {
    let values = in_stable_order(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Some(values).filter(|values| !values.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::item::{number, text};

    #[test]
    fn every_attribute_of_an_expression_is_named_once() {
        let found = names(&["SET #stock = #stock - :q REMOVE #due_ms", ABSENT]).unwrap();
        let mut found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [("#due_ms", "due_ms"), ("#pk", "pk"), ("#stock", "stock")]);
        assert_eq!(names(&["size(:a) > :b"]), None);
    }

    #[test]
    fn an_update_names_what_it_is_given_and_gives_one_name_one_placeholder() {
        let mut update = UpdateBuilder::default();
        let event = update.name("01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(update.name("01890a5d-ac96-774b-bcce-b302099a8057"), event);
        update.set(&format!("#notifications.{event}"), number(1));
        update.append("#history", text("CONFIRMED"));
        update.remove(format!("#pending.{event}"));
        update.remove("#shard");
        let condition = format!("#revision = {}", update.value(number(7)));
        let update = update.when(HashMap::new(), condition);
        assert_eq!(
            update.update,
            "SET #notifications.#n0 = :v0, #history = list_append(#history, :v1) \
             REMOVE #pending.#n0, #shard"
        );
        assert_eq!(update.condition, "#revision = :v2");
        let names = BTreeMap::from_iter(update.names.unwrap());
        assert_eq!(names["#n0"], "01890a5d-ac96-774b-bcce-b302099a8057");
        let attributes = ["#history", "#notifications", "#pending", "#revision", "#shard"];
        for attribute in attributes {
            assert_eq!(names[attribute], attribute.trim_start_matches('#'));
        }
        assert_eq!(names.len(), 6);
        let values = BTreeMap::from_iter(update.values.unwrap());
        assert_eq!(values.keys().collect::<Vec<_>>(), [":v0", ":v1", ":v2"]);
        assert_eq!(values[":v2"], number(7));
    }

    #[test]
    fn an_update_that_names_no_value_has_none() {
        let mut update = UpdateBuilder::default();
        update.remove("#shard");
        let update = update.when(HashMap::new(), "attribute_exists(#attempt)".to_owned());
        assert_eq!((update.update.as_str(), &update.values), ("REMOVE #shard", &None));
    }
}
