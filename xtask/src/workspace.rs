//! The workspace's folders, and the functions in its template.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::checkout;
use local_lambda::Template;

/// In the template. They are also the packages' names.
pub(crate) fn function_names(root: &Path) -> anyhow::Result<Vec<String>> {
    let functions = template(root, "unused")?.functions;
    Ok(functions.into_iter().map(|function| function.name).collect())
}

/// Has a name server's address that nobody uses, because the template has no default.
pub(crate) fn template(root: &Path, stack_name: &str) -> anyhow::Result<Template> {
    let parameters = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "unused:1".to_owned())]);
    Ok(Template::load(&root.join("template.yaml"), stack_name, &parameters)?)
}

pub(crate) fn target() -> anyhow::Result<PathBuf> {
    Ok(harness::system::SystemOptions::isolated(&checkout::root()?)?.target)
}
