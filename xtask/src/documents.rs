//! The commands that the documents name are commands.

use std::collections::BTreeMap;

use clap::Parser;
use clap::error::ErrorKind;

use crate::{Arguments, workspace};

/// Words that stand for something, and an example of it.
const PLACEHOLDERS: [(&str, &str); 3] = [
    ("EVENT_ID", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("ID", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("N", "1"),
];

/// Every command line of a document: what stands in backticks, and each line that begins with it,
/// with the lines that go on with it.
fn command_lines(document: &str) -> Vec<String> {
    let whole = document.replace("\\\n", " ");
    let spans = whole.split('`').skip(1).step_by(2).filter(|span| !span.contains('\n'));
    let lines = whole.lines().map(str::trim_start);
    let commands = spans.chain(lines).filter_map(|text| text.strip_prefix("cargo xtask "));
    commands.map(|command| command.split(" #").next().unwrap_or_default().to_owned()).collect()
}

/// The variables that a document sets for its commands.
fn variables(document: &str) -> BTreeMap<String, String> {
    let lines = document.lines().filter_map(|line| line.trim().split_once("=\""));
    let quoted = lines.filter_map(|(name, rest)| Some((name, rest.split_once('"')?.0)));
    quoted.map(|(name, value)| (format!("${name}"), value.to_owned())).collect()
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let root = workspace::root().unwrap();
    let guides = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let guides = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut understood = 0;
    for path in guides.chain([root.join("README.md")]) {
        let document = std::fs::read_to_string(&path).unwrap();
        let variables = variables(&document);
        for line in command_lines(&document) {
            let mut words = vec!["cargo xtask".to_owned()];
            for word in line.split_whitespace() {
                let word = word.trim_matches('"');
                match variables.get(word) {
                    Some(value) => words.extend(value.split_whitespace().map(str::to_owned)),
                    None => {
                        let stands_for = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
                        words.push(stands_for.map_or(word, |(_, example)| example).to_owned());
                    }
                }
            }
            let is_name = words.iter().all(|word| !word.starts_with('-'));
            match Arguments::try_parse_from(words) {
                Ok(_) => understood += 1,
                // The command by its name, as a sentence has it.
                Err(error) if is_name && error.kind() == ErrorKind::MissingRequiredArgument => {}
                Err(error) => panic!("{}: cargo xtask {line}: {error}", path.display()),
            }
        }
    }
    assert!(understood > 20, "{understood} commands were found");
}
