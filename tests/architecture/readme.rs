//! The README stays short, and its Chinese edition has the same content.

use std::collections::{BTreeMap, BTreeSet};

use crate::root;

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";
const EDITIONS: [&str; 2] = [ENGLISH, CHINESE];

/// The README is for a reader's start; everything else is in `docs`.
const LINES_MAX: usize = 135;

fn read(document: &str) -> String {
    std::fs::read_to_string(root().join(document)).unwrap()
}

fn prose(document: &str) -> String {
    read(document).split("```").step_by(2).collect()
}

/// Fenced blocks without translated text, each with its language as the first line.
fn blocks(document: &str) -> Vec<Vec<String>> {
    let text = read(document);
    text.split("```").skip(1).step_by(2).map(without_translations).collect()
}

/// Leaves out comments and the labels of a diagram.
fn without_translations(block: &str) -> Vec<String> {
    let is_diagram = block.starts_with("mermaid");
    let lines = block.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| if is_diagram { without_label(line) } else { line });
    lines.map(str::to_owned).collect()
}

/// `C->>F: POST /v1/orders` and `participant C as client` without the label.
fn without_label(line: &str) -> &str {
    let (arrow, _) = line.split_once(':').unwrap_or((line, ""));
    let (participant, _) = arrow.split_once(" as ").unwrap_or((arrow, ""));
    participant
}

/// Leaves out links to the document's own sections and to its other edition.
fn links(document: &str) -> BTreeSet<String> {
    let text = prose(document);
    let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let links = links.filter(|link| !link.starts_with('#') && !EDITIONS.contains(link));
    links.map(str::to_owned).collect()
}

/// Such as 28, 15,074 and 5.4.0, sorted, because a translation may reorder a sentence.
fn numbers(text: &str) -> Vec<&str> {
    let is_of_a_number = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
    let tokens = text.split(|c: char| !is_of_a_number(c));
    let trimmed = tokens.map(|token| token.trim_matches(|c: char| !c.is_ascii_digit()));
    let mut numbers: Vec<_> = trimmed.filter(|number| !number.is_empty()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_readme_is_short() {
    let lines = read(ENGLISH).lines().count();
    assert!(lines <= LINES_MAX, "{ENGLISH} has {lines} lines, and may have {LINES_MAX}");
}

#[test]
fn each_readme_leads_to_the_other_on_its_first_lines() {
    for (edition, other) in [(ENGLISH, CHINESE), (CHINESE, ENGLISH)] {
        let text = read(edition);
        let link = format!("]({other})");
        let leads = text.lines().take(3).any(|line| line.contains(&link));
        assert!(leads, "the first lines of {edition} do not lead to {other}");
    }
}

#[test]
fn both_readmes_have_the_same_commands_outputs_and_diagram() {
    let [english, chinese] = EDITIONS.map(blocks);
    assert!(!english.is_empty());
    assert_eq!(english, chinese);
}

#[test]
fn both_readmes_link_to_the_same_documents() {
    let [english, chinese] = EDITIONS.map(links);
    assert!(!english.is_empty());
    assert_eq!(english, chinese);
}

#[test]
fn both_readmes_have_the_same_numbers_in_each_section() {
    let [english, chinese] = EDITIONS.map(prose);
    let english: Vec<_> = english.split("\n## ").collect();
    let chinese: Vec<_> = chinese.split("\n## ").collect();
    assert_eq!(english.len(), chinese.len(), "{ENGLISH} and {CHINESE} differ in their sections");
    for (english, chinese) in english.into_iter().zip(chinese) {
        let heading = english.lines().next().unwrap_or_default();
        assert_eq!(numbers(english), numbers(chinese), "in the section {heading}");
    }
}

/// Such as 15,074.
fn with_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The faults and the tried orders of each row of the report card: of a row with several lines, those
/// of its last one. Runs on DynamoDB Local are of the first edition.
fn proof() -> (u64, u64) {
    let card = read("docs/report-card.md");
    let (embedded, _) = card.split_once("\n## On DynamoDB Local\n").unwrap();
    let rows: BTreeMap<&str, (u64, u64)> = embedded
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, id, _, _, faults, tried, ..] = cells[..] else { return None };
            Some((id, (faults.parse().ok()?, tried.parse().ok()?)))
        })
        .filter(|(id, _)| *id != "all")
        .collect();
    rows.values().fold((0, 0), |(faults, tried), row| (faults + row.0, tried + row.1))
}

#[test]
fn the_proof_has_the_sums_of_the_report_card() {
    let (faults, tried) = proof();
    for edition in EDITIONS {
        for sum in [faults, tried] {
            let sum = with_thousands(sum);
            assert!(read(edition).contains(&sum), "the proof of {edition} must name {sum}");
        }
    }
}
