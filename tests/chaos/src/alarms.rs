//! The template's alarms, and what crosses their thresholds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use harness::checkout;
use local_lambda::yaml_document;
use serde_json::Value;

/// An alarm on the metrics of functions, with the settings that the template gives it.
#[derive(Debug)]
pub struct Alarm {
    pub metrics: Vec<AlarmMetric>,
    /// What CloudWatch computes from the metrics; `None` if the alarm has one metric.
    expression: Option<String>,
    /// The time of one data point.
    pub period: Duration,
    /// How many data points must cross the threshold until the alarm is on.
    pub periods: u32,
    /// How many of the latest data points the alarm looks at.
    pub evaluated: u32,
    threshold: f64,
    comparison: Comparison,
}

#[derive(Debug)]
pub struct AlarmMetric {
    /// Its name in the expression.
    pub id: String,
    pub namespace: String,
    pub name: String,
    /// The logical id of its function.
    pub function: String,
    pub statistic: Statistic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    Sum,
    Maximum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Greater,
    Less,
}

/// The expressions that are evaluated here. One that the template changes is unknown, with its
/// numbers.
const WITHOUT_NEWER: &str = "postponed - FILL(newer, 0)";
const TOO_MANY_ERRORS: &str = "IF((errors > 5) OR (errors > 0.05 * FILL(invocations, 0)), 1, 0)";

impl Alarm {
    /// The alarm of the project's template with this name.
    ///
    /// # Errors
    /// When the template has no such alarm, or its settings are unknown here.
    pub fn read(name: &str) -> anyhow::Result<Self> {
        let document = yaml_document(&checkout::root()?.join("template.yaml"))?;
        let resource = document.pointer(&format!("/Resources/{name}/Properties"));
        let properties = resource.with_context(|| format!("the template has no {name}"))?;
        Self::of(properties).with_context(|| format!("{name} of the template"))
    }

    fn of(properties: &Value) -> anyhow::Result<Self> {
        let queries = properties.get("Metrics").and_then(Value::as_array);
        let stats: Vec<&Value> = queries
            .into_iter()
            .flatten()
            .filter_map(|query| query.get("MetricStat").map(|_| query))
            .collect();
        let metrics = match queries {
            None => vec![AlarmMetric::of("", properties, text(properties, "/Statistic")?)?],
            Some(_) => stats
                .iter()
                .map(|query| {
                    let metric = query.pointer("/MetricStat/Metric").context("no metric")?;
                    AlarmMetric::of(text(query, "/Id")?, metric, text(query, "/MetricStat/Stat")?)
                })
                .collect::<anyhow::Result<_>>()?,
        };
        let mut expressions = queries.into_iter().flatten().filter_map(|one| one.get("Expression"));
        let expression = expressions.next().and_then(Value::as_str).map(ToOwned::to_owned);
        let period = match stats.first() {
            Some(query) => query.pointer("/MetricStat/Period"),
            None => properties.get("Period"),
        };
        let of_all = properties.get("EvaluationPeriods");
        let periods = properties.get("DatapointsToAlarm").or(of_all).and_then(Value::as_u64);
        let evaluated = of_all.and_then(Value::as_u64).context("no EvaluationPeriods")?;
        Ok(Self {
            metrics,
            expression,
            period: Duration::from_secs(period.and_then(Value::as_u64).context("no period")?),
            periods: u32::try_from(periods.context("no number of data points")?)?,
            evaluated: u32::try_from(evaluated)?,
            threshold: properties.get("Threshold").and_then(Value::as_f64).context("no number")?,
            comparison: match text(properties, "/ComparisonOperator")? {
                "GreaterThanThreshold" => Comparison::Greater,
                "LessThanThreshold" => Comparison::Less,
                other => anyhow::bail!("the comparison {other} is unknown"),
            },
        })
    }

    /// Whether a data point of these values, by the metrics' ids, crosses the threshold.
    ///
    /// # Errors
    /// When the expression is unknown here.
    pub fn is_crossed_by(&self, values: &BTreeMap<&str, f64>) -> anyhow::Result<bool> {
        let value = |id: &str| values.get(id).copied();
        let value = match self.expression.as_deref() {
            None => value(""),
            Some(WITHOUT_NEWER) => {
                value("postponed").map(|all| all - value("newer").unwrap_or_default())
            }
            Some(TOO_MANY_ERRORS) => value("errors").map(|errors| {
                let invocations = value("invocations").unwrap_or_default();
                f64::from(u8::from(errors > 5.0 || errors > 0.05 * invocations))
            }),
            Some(other) => anyhow::bail!("the expression {other} is unknown"),
        };
        Ok(value.is_some_and(|value| match self.comparison {
            Comparison::Greater => value > self.threshold,
            Comparison::Less => value < self.threshold,
        }))
    }
}

impl AlarmMetric {
    fn of(id: &str, metric: &Value, statistic: &str) -> anyhow::Result<Self> {
        Ok(Self {
            id: id.to_owned(),
            namespace: text(metric, "/Namespace")?.to_owned(),
            name: text(metric, "/MetricName")?.to_owned(),
            function: text(metric, "/Dimensions/0/Value/Ref")?.to_owned(),
            statistic: match statistic {
                "Sum" => Statistic::Sum,
                "Maximum" => Statistic::Maximum,
                other => anyhow::bail!("the statistic {other} is unknown"),
            },
        })
    }

    /// The value of a period, from all values in it.
    #[must_use]
    pub fn aggregated(&self, values: impl Iterator<Item = f64>) -> Option<f64> {
        values.reduce(match self.statistic {
            Statistic::Sum => |sum, value| sum + value,
            Statistic::Maximum => f64::max,
        })
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_crossed(alarm: &str, values: &[(&str, f64)]) -> bool {
        let values = values.iter().copied().collect();
        Alarm::read(alarm).unwrap().is_crossed_by(&values).unwrap()
    }

    #[test]
    fn the_thresholds_are_those_of_the_template() {
        assert!(is_crossed("FailedGaugesAlarm", &[("", 1.0)]));
        assert!(!is_crossed("FailedGaugesAlarm", &[("", 0.0)]));
        assert!(!is_crossed("FailedGaugesAlarm", &[]));
        for function in ["EventConsumer", "TransactionCheck"] {
            let alarm = format!("{function}SilentAlarm");
            assert!(is_crossed(&alarm, &[("", 0.0)]) && !is_crossed(&alarm, &[("", 1.0)]));
            let alarm = format!("{function}ErrorsAlarm");
            assert!(is_crossed(&alarm, &[("", 1.0)]) && !is_crossed(&alarm, &[("", 0.0)]));
        }
        assert!(!is_crossed("PendingEventAlarm", &[("", 600.0)]));
        assert!(is_crossed("PendingEventAlarm", &[("", 601.0)]));
    }

    #[test]
    fn expressions_are_evaluated_as_cloudwatch_does() {
        let alarm = "EventsPostponedAlarm";
        assert!(is_crossed(alarm, &[("postponed", 1.0)]));
        assert!(is_crossed(alarm, &[("postponed", 3.0), ("newer", 2.0)]));
        assert!(!is_crossed(alarm, &[("postponed", 2.0), ("newer", 2.0)]));
        let alarm = "CreateOrderServerErrorsAlarm";
        assert!(is_crossed(alarm, &[("errors", 1.0), ("invocations", 19.0)]));
        assert!(!is_crossed(alarm, &[("errors", 1.0), ("invocations", 20.0)]));
        assert!(is_crossed(alarm, &[("errors", 6.0), ("invocations", 1000.0)]));
    }

    #[test]
    fn periods_and_data_points_are_those_of_the_template() {
        for (name, periods) in [("FailedGaugesAlarm", 5), ("CreateOrderServerErrorsAlarm", 2)] {
            let alarm = Alarm::read(name).unwrap();
            assert_eq!((alarm.period, alarm.periods), (Duration::from_secs(60), periods), "{name}");
        }
        // Without `DatapointsToAlarm` all periods count.
        assert_eq!(Alarm::read("EventConsumerSilentAlarm").unwrap().periods, 5);
        let alarm = Alarm::read("EventConsumerErrorsAlarm").unwrap();
        assert_eq!((alarm.evaluated, alarm.periods), (5, 1));
    }
}
