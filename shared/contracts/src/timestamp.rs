//! Moments on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: RFC 3339 in UTC with milliseconds, such as `2026-01-31T12:00:00.125Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

impl Timestamp {
    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z. Outside the years 0 to 9999 it
    /// is the nearest one that RFC 3339 can express.
    pub fn from_millis(millis: i64) -> Self {
        let nearest = millis.clamp(Self::MILLIS_MIN, Self::MILLIS_MAX);
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(nearest) * 1_000_000);
        Self(moment.unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn as_millis(self) -> i64 {
        let millis = self.0.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).unwrap_or(Self::MILLIS_MAX)
    }

    /// 0000-01-01T00:00:00.000Z.
    const MILLIS_MIN: i64 = -62_167_219_200_000;
    /// 9999-12-31T23:59:59.999Z.
    const MILLIS_MAX: i64 = 253_402_300_799_999;
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_its_milliseconds() {
        let written = serde_json::to_string(&Timestamp::from_millis(1_767_268_800_125)).unwrap();
        assert_eq!(written, r#""2026-01-01T12:00:00.125Z""#);
        let shown = Timestamp::from_millis(1_767_268_800_125).to_string();
        assert_eq!(shown, "2026-01-01T12:00:00.125Z");
        let read: Timestamp = serde_json::from_str(r#""2026-01-01T13:00:00.125+01:00""#).unwrap();
        assert_eq!(read.as_millis(), 1_767_268_800_125);
    }

    #[test]
    fn a_moment_out_of_range_is_written_as_the_nearest() {
        for millis in [i64::MIN, i64::MAX] {
            let written = serde_json::to_string(&Timestamp::from_millis(millis)).unwrap();
            assert!(serde_json::from_str::<Timestamp>(&written).is_ok(), "{written}");
        }
    }
}
