//! Prints times, texts of unknown origin, and tables.

use std::fmt::Write as _;
use std::time::Duration;

use contracts::timestamp::Timestamp as WireTimestamp;
use domain::timestamp::Timestamp;
use indicatif::HumanDuration;

/// A moment in the format of the API, for tables and for `--json`.
pub(super) fn timestamp(at: Timestamp) -> WireTimestamp {
    WireTimestamp::from_millis(at.as_millis())
}

/// The rounded time since `at`: `3h`.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{:#}", HumanDuration(now.since(at)))
}

/// The rounded time until `at`: `in 3h`, or `now`.
pub(super) fn from_now(at: Timestamp, now: Timestamp) -> String {
    if at <= now { "now".to_owned() } else { format!("in {:#}", HumanDuration(at.since(now))) }
}

/// Reads a moment in RFC 3339, such as `2026-01-31T12:00:00Z`.
pub(super) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let wrong = |_| "write a moment in RFC 3339, such as 2026-01-31T12:00:00Z".to_owned();
    let moment: WireTimestamp = serde_json::from_value(text.into()).map_err(wrong)?;
    Ok(Timestamp::from_millis(moment.as_millis()))
}

/// A text that any sender of a message may have written, without control characters, which a
/// terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printed, c| {
        if c.is_control() && c != '\n' && c != '\t' {
            printed.extend(c.escape_default());
        } else {
            printed.push(c);
        }
        printed
    })
}

/// The same in one line of at most `chars_max` characters.
pub(super) fn in_short(text: &str, chars_max: usize) -> String {
    let line = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= chars_max {
        return line;
    }
    line.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// Prints a table; the last column is not padded.
pub(super) fn print_table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
) {
    let head = head.map(ToOwned::to_owned);
    let lines: Vec<_> = std::iter::once(head).chain(rows).collect();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    });
    for line in lines {
        let mut printed = String::new();
        for (cell, width) in line.iter().zip(widths) {
            // Writing to a string does not fail.
            let _written = write!(printed, "{cell:width$}  ");
        }
        println!("{}", printed.trim_end());
    }
}

/// Reads a number with a unit: `90s`, `10m`, `2h` or `3d`.
pub(super) fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number with its unit, such as 90s, 10m, 2h or 3d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_with_its_unit() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7_200), ("3d", 259_200)]
        {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "10", "m", "-1m", "1.5h", "10 m", "1w", "99999999999999999999s"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_written_with_its_offset() {
        let noon = Timestamp::from_millis(1_769_860_800_000);
        for text in ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00.000+01:00"] {
            assert_eq!(parse_moment(text), Ok(noon), "{text}");
        }
        for text in ["", "2026-01-31", "2026-01-31T12:00:00", "yesterday"] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn control_characters_are_not_printed() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
        assert_eq!(in_short("one\n two\tthree", 40), "one two three");
        assert_eq!(in_short("0123456789", 5), "0123…");
    }
}
