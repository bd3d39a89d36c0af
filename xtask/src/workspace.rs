//! The workspace's folders, and the functions in its template.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::checkout;
use local_lambda::Template;

/// The names of the functions in the template, which are also their packages' names.
pub(crate) fn function_names(root: &Path) -> anyhow::Result<Vec<String>> {
    // The list does not depend on the address, which has no default.
    let parameters = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "unused:1".to_owned())]);
    let template = Template::load(&root.join("template.yaml"), "unused", &parameters)?;
    Ok(template.functions.into_iter().map(|function| function.name).collect())
}

/// Cargo's target folder.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    Ok(harness::system::SystemOptions::isolated(&checkout::root()?)?.target)
}
