//! The schedules in the template's `ScheduleV2` events.

use std::time::Duration;

use super::load::TemplateError;

/// One schedule of one function, as EventBridge Scheduler would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// In the template, such as `EveryMinute`.
    pub name: String,
    pub rate: Duration,
    /// The JSON text of the template, or `{}` if it has none.
    pub input: String,
}

/// Reads `rate(1 minute)`, `rate(5 minutes)` and the same in hours and days.
///
/// The syntax is EventBridge Scheduler's. `cron(…)` and `at(…)` are refused: they would need a
/// calendar.
pub(super) fn parse_rate(expression: &str) -> Result<Duration, TemplateError> {
    let refused = || {
        TemplateError::Invalid(format!("schedule '{expression}' is not of the form rate(1 minute)"))
    };
    let inner = expression
        .trim()
        .strip_prefix("rate(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(refused)?;
    let (count, unit) = inner.trim().split_once(' ').ok_or_else(refused)?;
    let count: u64 = count.parse().map_err(|_| refused())?;
    let unit_s = match unit.trim().trim_end_matches('s') {
        "minute" => 60,
        "hour" => 60 * 60,
        "day" => 24 * 60 * 60,
        _ => return Err(refused()),
    };
    if count == 0 {
        return Err(refused());
    }
    count.checked_mul(unit_s).map(Duration::from_secs).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_rate;

    #[test]
    fn rates_are_read_in_minutes_hours_and_days() {
        assert_eq!(parse_rate("rate(1 minute)").unwrap(), Duration::from_secs(60));
        assert_eq!(parse_rate("rate(2 hours)").unwrap(), Duration::from_secs(7200));
        assert_eq!(parse_rate("rate(1 day)").unwrap(), Duration::from_secs(86_400));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["cron(0 9 * * ? *)", "rate(0 minutes)", "rate(1)", "rate(x minutes)", ""] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
