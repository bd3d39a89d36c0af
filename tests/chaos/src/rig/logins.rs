use anyhow::Context;
use harness::system::System;
use harness::table;

/// Deletes the events of the logins that prepared the system. No open window could publish them
/// yet. A row strikes calls about orders, so no other events may be under way.
///
/// # Errors
/// When the table of dead letters cannot be read or written.
pub(super) async fn forget(system: &System) -> anyhow::Result<()> {
    let client = table::client(&system.endpoints.table_url);
    let events = system.names.table("DeadLettersTable").context("there is no DeadLettersTable")?;
    let scan = client.scan().table_name(events).consistent_read(true);
    let mut items = scan.into_paginator().items().send();
    while let Some(item) = items.next().await {
        let key = item?.remove("pk").context("an item without a key")?;
        client.delete_item().table_name(events).key("pk", key).send().await?;
    }
    Ok(())
}
