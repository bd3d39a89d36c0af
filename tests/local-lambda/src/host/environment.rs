//! The environment of a function's process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use super::{HostOptions, REGION};
use crate::template::FunctionSpec;

/// The variables of one instance. The host's own environment does not reach a function, so that it
/// cannot work here with a setting that it lacks on AWS.
///
/// The names are those of the Lambda developer guide, "Defined runtime environment variables".
/// `PATH` and `LANG` have plain values; the credentials are not valid anywhere. `TMPDIR` is this
/// host's own: a Lambda environment has a `/tmp` of its own instead.
pub(super) fn variables(
    function: &FunctionSpec,
    options: &HostOptions,
    runtime_api: SocketAddr,
    log_stream: &str,
    temporary: &Path,
) -> BTreeMap<String, String> {
    let task_root = options.binaries.display().to_string();
    let lambda = [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mib.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_SESSION_TOKEN", "local".to_owned()),
        ("LAMBDA_TASK_ROOT", task_root.clone()),
        ("LAMBDA_RUNTIME_DIR", task_root),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("TMPDIR", temporary.display().to_string()),
        ("TZ", ":UTC".to_owned()),
    ];
    let mut variables: BTreeMap<_, _> =
        lambda.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    variables.extend(function.environment.clone());
    variables.extend(options.environment.clone());
    variables.extend(options.function_environment.get(&function.name).cloned().unwrap_or_default());
    variables.retain(|_, value| !value.is_empty());
    variables
}
