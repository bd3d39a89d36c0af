//! Creates the template's tables if they are missing.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType as KeyRole,
    Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
    TimeToLiveSpecification,
};

use local_lambda::{KeyAttribute, KeyType, TableSpec};

const ACTIVE_LIMIT: Duration = Duration::from_secs(30);

/// Creates the tables that are missing, and waits until they are active.
///
/// An existing table is not changed, but must have the keys and indexes of the template. Time to
/// live is turned on if the endpoint supports it. If it does not, expired items stay; the functions
/// have to cope with that anyway, because DynamoDB deletes late.
///
/// # Errors
/// When the endpoint does not answer, or a table has other keys (the error names both).
pub async fn create_tables(client: &Client, tables: &[TableSpec]) -> anyhow::Result<()> {
    for table in tables {
        if let Some(found) = describe(client, &table.name).await? {
            compare(table, &found)?;
            continue;
        }
        create(client, table).await?;
        wait_until_active(client, table).await?;
        if let Some(attribute) = &table.ttl_attribute {
            expire_by(client, &table.name, attribute).await?;
        }
    }
    Ok(())
}

async fn describe(client: &Client, name: &str) -> anyhow::Result<Option<TableDescription>> {
    match client.describe_table().table_name(name).send().await {
        Ok(output) => Ok(output.table),
        Err(error) => match error.as_service_error() {
            Some(service) if service.is_resource_not_found_exception() => Ok(None),
            _ => anyhow::bail!("table {name} cannot be read: {}", DisplayErrorContext(error)),
        },
    }
}

async fn create(client: &Client, table: &TableSpec) -> anyhow::Result<()> {
    let indexed = table.indexes.iter().flat_map(|index| &index.key);
    let attributes: BTreeSet<_> =
        table.key.iter().chain(indexed).map(|key| (key.name.as_str(), letter(key.kind))).collect();
    let mut request = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(&table.key)?));
    for (name, kind) in attributes {
        request = request.attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::from(kind))
                .build()?,
        );
    }
    for index in &table.indexes {
        let projection = Projection::builder()
            .projection_type(ProjectionType::from(index.projection.as_str()))
            // DynamoDB refuses an empty list.
            .set_non_key_attributes(
                Some(index.included.clone()).filter(|included| !included.is_empty()),
            );
        request = request.global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(&index.name)
                .set_key_schema(Some(key_schema(&index.key)?))
                .projection(projection.build())
                .build()?,
        );
    }
    match request.send().await {
        Ok(_) => Ok(()),
        // Another process was faster. The next start compares the table's keys.
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_resource_in_use_exception()) =>
        {
            Ok(())
        }
        Err(error) => {
            anyhow::bail!("table {} cannot be created: {}", table.name, DisplayErrorContext(error))
        }
    }
}

fn key_schema(key: &[KeyAttribute]) -> anyhow::Result<Vec<KeySchemaElement>> {
    let roles = [KeyRole::Hash, KeyRole::Range];
    key.iter()
        .zip(roles)
        .map(|(attribute, role)| {
            KeySchemaElement::builder()
                .attribute_name(&attribute.name)
                .key_type(role)
                .build()
                .context("a key element is incomplete")
        })
        .collect()
}

async fn wait_until_active(client: &Client, table: &TableSpec) -> anyhow::Result<()> {
    let active = async {
        loop {
            let found = describe(client, &table.name).await?;
            let status = found.and_then(|found| found.table_status);
            // Emulators may leave out the status.
            if matches!(status, None | Some(TableStatus::Active)) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(ACTIVE_LIMIT, active)
        .await
        .with_context(|| format!("table {} does not become active", table.name))?
}

async fn expire_by(client: &Client, name: &str, attribute: &str) -> anyhow::Result<()> {
    let specification =
        TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build()?;
    let request = client.update_time_to_live().table_name(name);
    if let Err(error) = request.time_to_live_specification(specification).send().await {
        let error = DisplayErrorContext(error);
        tracing::warn!(table = name, %error, "time to live is not supported here");
    }
    Ok(())
}

/// Fails when `found` has other keys than `table`, or an index of the same name has.
fn compare(table: &TableSpec, found: &TableDescription) -> anyhow::Result<()> {
    let definitions = found.attribute_definitions();
    let there = key_text(found.key_schema(), definitions);
    let wanted = wanted_text(&table.key);
    anyhow::ensure!(
        there == wanted,
        "table {} exists with the key {there}, but the template has {wanted}",
        table.name
    );
    for index in &table.indexes {
        let there = found
            .global_secondary_indexes()
            .iter()
            .find(|other| other.index_name() == Some(&index.name))
            .map_or_else(|| "none".to_owned(), |other| key_text(other.key_schema(), definitions));
        let wanted = wanted_text(&index.key);
        anyhow::ensure!(
            there == wanted,
            "index {} of table {} exists with the key {there}, but the template has {wanted}",
            index.name,
            table.name
        );
    }
    Ok(())
}

fn wanted_text(key: &[KeyAttribute]) -> String {
    let parts: Vec<_> =
        key.iter().map(|part| format!("{}:{}", part.name, letter(part.kind))).collect();
    parts.join(" ")
}

fn key_text(schema: &[KeySchemaElement], definitions: &[AttributeDefinition]) -> String {
    let mut schema: Vec<_> = schema.iter().collect();
    schema.sort_by_key(|element| *element.key_type() != KeyRole::Hash);
    let kind = |name: &str| {
        definitions
            .iter()
            .find(|definition| definition.attribute_name() == name)
            .map_or("?", |definition| definition.attribute_type().as_str())
    };
    let parts: Vec<_> = schema
        .iter()
        .map(|element| format!("{}:{}", element.attribute_name(), kind(element.attribute_name())))
        .collect();
    parts.join(" ")
}

fn letter(kind: KeyType) -> &'static str {
    match kind {
        KeyType::S => "S",
        KeyType::N => "N",
        KeyType::B => "B",
    }
}
