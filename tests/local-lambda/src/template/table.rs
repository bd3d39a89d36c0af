//! The template's tables, with the values that `CreateTable` needs.

use serde::Deserialize;
use serde_json::Value;

use super::load::TemplateError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// In the template, such as `UsersTable`.
    pub logical_id: String,
    /// The table's name in DynamoDB.
    pub name: String,
    /// The partition key first, then the sort key if the table has one.
    pub key: Vec<KeyAttribute>,
    pub indexes: Vec<IndexSpec>,
    /// The attribute with an item's expiry in epoch seconds, if the table has one.
    pub ttl_attribute: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    pub name: String,
    pub kind: KeyType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum KeyType {
    S,
    N,
    B,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    pub name: String,
    /// The partition key first, then the sort key if the index has one.
    pub key: Vec<KeyAttribute>,
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection: String,
    /// The attributes of an `INCLUDE` index in addition to the keys.
    pub included: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    attribute_definitions: Vec<Definition>,
    key_schema: Vec<KeyElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    time_to_live_specification: Option<TimeToLive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    attribute_name: String,
    attribute_type: KeyType,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<KeyElement>,
    projection: Projection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Projection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

impl TableSpec {
    /// Reads the resolved properties of an `AWS::DynamoDB::Table`.
    pub(super) fn read(
        logical_id: &str,
        name: String,
        properties: Value,
    ) -> Result<Self, TemplateError> {
        let properties: Properties = serde_json::from_value(properties)
            .map_err(|source| TemplateError::Resource { name: logical_id.to_owned(), source })?;
        let types = &properties.attribute_definitions;
        let indexes = properties
            .global_secondary_indexes
            .iter()
            .map(|index| {
                Ok(IndexSpec {
                    name: index.index_name.clone(),
                    key: key(&index.key_schema, types)?,
                    projection: index.projection.projection_type.clone(),
                    included: index.projection.non_key_attributes.clone(),
                })
            })
            .collect::<Result<_, TemplateError>>()?;
        Ok(Self {
            logical_id: logical_id.to_owned(),
            name,
            key: key(&properties.key_schema, types)?,
            indexes,
            ttl_attribute: properties
                .time_to_live_specification
                .filter(|ttl| ttl.enabled)
                .map(|ttl| ttl.attribute_name),
        })
    }
}

/// The key in DynamoDB's order, HASH before RANGE, with each attribute's defined type.
fn key(
    elements: &[KeyElement],
    definitions: &[Definition],
) -> Result<Vec<KeyAttribute>, TemplateError> {
    let mut elements: Vec<_> = elements.iter().collect();
    elements.sort_by_key(|element| element.key_type != "HASH");
    elements
        .into_iter()
        .map(|element| {
            let definition = definitions
                .iter()
                .find(|definition| definition.attribute_name == element.attribute_name)
                .ok_or_else(|| {
                    TemplateError::Unresolved(format!("key attribute {}", element.attribute_name))
                })?;
            Ok(KeyAttribute {
                name: element.attribute_name.clone(),
                kind: definition.attribute_type,
            })
        })
        .collect()
}
