use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::{Pointer, Problem, ProblemKind};

/// The problem for a body that could not be read. A message of `serde_json` quotes what it read, so
/// only the parts that come from our own code are copied from it.
pub(super) fn problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let message = message(error.inner());
    // JSON sets no limit to numbers (RFC 8259, section 6), so this body is JSON.
    let is_too_large = message.starts_with("number out of range");
    if error.inner().classify() != Category::Data && !is_too_large {
        return malformed(error.inner());
    }
    let detail = if is_too_large { "is out of range".to_owned() } else { rule(&message) };
    Problem::validation("The body does not have the form that this path expects.")
        .with_fault(pointer(error.path()), detail)
}

pub(super) fn malformed(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let detail = if message(error).starts_with("recursion limit") {
        format!("The body is nested too deep at line {line}, column {column}.")
    } else {
        format!("The body is not JSON: there is an error at line {line}, column {column}.")
    };
    Problem::new(ProblemKind::MalformedJson, detail)
}

fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The rule that a value broke, in our own words.
fn rule(message: &str) -> String {
    // The last part is what serde expected, which comes from code. The part before it quotes the
    // input.
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let begins = |beginnings: &[&str]| beginnings.iter().any(|text| message.starts_with(text));
    match expected {
        _ if begins(&["missing field `", "duplicate field `"]) => {
            let (what, name) = message.split_once(" field ").unwrap_or_default();
            format!("has {} {name}", if what == "missing" { "no" } else { "more than one" })
        }
        Some(allowed) if begins(&["unknown field `"]) => {
            format!("is unknown here; known are: {}", allowed.trim_start_matches("one of "))
        }
        None if begins(&["unknown field `"]) => "is unknown here".to_owned(),
        Some(allowed) if begins(&["unknown variant `"]) => {
            format!("must be {allowed}")
        }
        Some(expected) if begins(&["invalid type: ", "invalid value: ", "invalid length "]) => {
            format!("must be {}", in_words(expected))
        }
        _ => "does not have the right form".to_owned(),
    }
}

/// The JSON name for what serde calls a Rust type.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        "a borrowed string" => "a string",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

fn pointer(path: &Path) -> Pointer {
    path.iter().fold(Pointer::root(), |pointer, segment| match segment {
        Segment::Seq { index } => pointer.element(*index),
        Segment::Map { key } => pointer.member(key),
        Segment::Enum { variant } => pointer.member(variant),
        Segment::Unknown => pointer,
    })
}
