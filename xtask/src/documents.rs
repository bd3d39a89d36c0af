//! A test that the commands in the documents are valid.

use std::collections::BTreeMap;

use clap::Parser;
use clap::error::ErrorKind;

use crate::Arguments;

/// Placeholders in the documents, with an example of each.
const PLACEHOLDERS: [(&str, &str); 6] = [
    ("AGGREGATE", "USER#123/ORDER#01890a5d-ac96-774b-bcce-b302099a8057"),
    ("ORDER_ID", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("USER_ID", "123"),
    ("EVENT_ID", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("ID", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("N", "1"),
];

/// Allowed for a command that a sentence shows only in part.
const INCOMPLETE: [ErrorKind; 2] =
    [ErrorKind::MissingRequiredArgument, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];

/// Every command of a document, and whether it is complete. A line that begins with a command is
/// complete, together with its continuation lines; a command in backticks may leave out required
/// arguments.
fn command_lines(document: &str) -> Vec<(String, bool)> {
    let joined = document.replace("\\\n", " ");
    let spans = joined.split('`').skip(1).step_by(2).filter(|span| !span.contains('\n'));
    let lines = joined.lines().map(str::trim_start);
    let texts = spans.map(|text| (text, false)).chain(lines.map(|text| (text, true)));
    let command =
        |text: &str| Some(text.strip_prefix("cargo xtask ")?.split(" #").next()?.to_owned());
    texts.filter_map(|(text, is_complete)| Some((command(text)?, is_complete))).collect()
}

fn variables(document: &str) -> BTreeMap<String, String> {
    let lines = document.lines().filter_map(|line| line.trim().split_once("=\""));
    let quoted = lines.filter_map(|(name, rest)| Some((name, rest.split_once('"')?.0)));
    quoted.map(|(name, value)| (format!("${name}"), value.to_owned())).collect()
}

#[test]
fn every_command_in_the_documents_is_valid() {
    let root = harness::checkout::root().unwrap();
    let guides = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let guides = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut understood = 0;
    for path in guides.chain(["CONTRIBUTING.md", "README.md"].map(|name| root.join(name))) {
        let document = std::fs::read_to_string(&path).unwrap();
        let variables = variables(&document);
        for (line, is_complete) in command_lines(&document) {
            let mut words = vec!["cargo xtask".to_owned()];
            for word in line.split_whitespace() {
                let word = word.trim_matches('"');
                match variables.get(word) {
                    Some(value) => words.extend(value.split_whitespace().map(str::to_owned)),
                    None => {
                        let placeholder = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
                        words.push(placeholder.map_or(word, |(_, example)| example).to_owned());
                    }
                }
            }
            match Arguments::try_parse_from(words) {
                Ok(_) => understood += 1,
                Err(error) if !is_complete && INCOMPLETE.contains(&error.kind()) => {}
                Err(error) => panic!("{}: cargo xtask {line}: {error}", path.display()),
            }
        }
    }
    assert!(understood > 20, "{understood} commands were found");
}
