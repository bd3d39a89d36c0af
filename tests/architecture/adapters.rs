//! How adapters write, and which function joins the checked group.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{code, root};

#[test]
fn transaction_check_alone_joins_the_checked_group() {
    for entry in std::fs::read_dir(root().join("functions")).unwrap() {
        let function = entry.unwrap().file_name().into_string().unwrap();
        let joins = code(&format!("functions/{function}")).contains("CheckedGroup");
        assert_eq!(joins, function == "transaction-check", "{function}");
    }
}

/// The calls of conditional writes. A batch write has no condition, and may be repeated.
const WRITES: [&str; 4] =
    [".put_item()", ".update_item()", ".delete_item()", ".transact_write_items()"];

#[test]
fn an_adapter_tries_a_conditional_write_once() {
    let sources = root().join("shared/infrastructure/dynamodb/src");
    let mut writes_of_all = 0;
    for file in files(&sources) {
        // Operators' commands and demo data are not use cases.
        let name = file.strip_prefix(&sources).unwrap().to_str().unwrap();
        if name.starts_with("administration") {
            continue;
        }
        let code = std::fs::read_to_string(&file).unwrap();
        let writes: usize = WRITES.iter().map(|write| code.matches(*write).count()).sum();
        let tried_once = code.matches(".config_override(one_try").count();
        assert_eq!(writes, tried_once, "{name}");
        writes_of_all += writes;
    }
    assert!(writes_of_all > 0);
}

/// The lines by which adapters report a write as done. In each, the answer to this try says so.
const DONE: [&str; 5] = [
    // The call succeeded.
    "Ok(_) => WriteTry::Done,",
    // Its condition held.
    "Ok(true) => WriteTry::Done,",
    // The broker's answer has no error.
    "Ok(None) => WriteTry::Done,",
    "Ok(sent) if sent.send_status == SendStatus::SendOk => WriteTry::Done,",
    // A result that is passed on.
    "WriteTry::Done => WriteTry::Done,",
];

/// An adapter reports a write as done only if the answer to its own try says so. The use case
/// judges whether an earlier try took effect, from the item that the adapter found.
#[test]
fn an_adapter_reports_a_write_and_does_not_judge_it() {
    let code = ["shared/infrastructure", "shared/testkit/src/tables"].map(code).concat();
    let lines = code.lines().map(str::trim).filter(|line| line.contains("WriteTry::Done"));
    // The adapters' own tests compare with it.
    let said: BTreeSet<_> = lines.filter(|line| !line.contains("matches!(")).collect();
    assert_eq!(said, BTreeSet::from(DONE));
    assert!(!code.contains("application::users"), "an adapter uses a use case");
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
