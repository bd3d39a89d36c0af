//! HTTP bodies of the health routes.

use serde::{Deserialize, Serialize};

/// `GET /health` and `GET /health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// `ok` of a running function; `ready` or `degraded` of the whole service.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["ok", "ready", "degraded"])))]
    pub status: String,
    /// Why it is degraded: events may be late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
