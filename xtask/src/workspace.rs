//! The workspace's folders, and the functions in its template.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::checkout;
use local_lambda::Template;

/// The names of the functions in the template, which are also their packages' names.
pub(crate) fn function_names(root: &Path) -> anyhow::Result<Vec<String>> {
    let functions = template(root, "unused")?.functions;
    Ok(functions.into_iter().map(|function| function.name).collect())
}

/// The template of a stack, with a name server's address that nobody uses: it has no default.
pub(crate) fn template(root: &Path, stack_name: &str) -> anyhow::Result<Template> {
    let parameters = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "unused:1".to_owned())]);
    Ok(Template::load(&root.join("template.yaml"), stack_name, &parameters)?)
}

/// Cargo's target folder.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    Ok(harness::system::SystemOptions::isolated(&checkout::root()?)?.target)
}
