//! `cargo xtask rename`: makes an adopter's own service from this one.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::Context;
use clap::Args;
use harness::checkout;
use tokio::process::Command;

/// Copies this service into a new folder under another name: its URNs, stacks, topics, metrics and
/// titles.
///
/// Packages and functions keep their names, because these say what they do.
#[derive(Args)]
pub(crate) struct Options {
    /// The name of your service: 3 to 20 lower-case letters and digits, in words joined by hyphens,
    /// such as ledger or spare-parts.
    #[arg(value_parser = Name::parse)]
    name: Name,
    /// The folder to write to, which must not exist.
    folder: PathBuf,
}

/// This service's name. In the recipes of identifiers it is not replaced: they begin with it, and
/// another recipe would create a second order for an old key.
const NAME: &str = "order-service";
const RECIPE: &str = "order-service/";

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options { name, folder } = options;
    anyhow::ensure!(!folder.exists(), "{} exists: name a new folder", folder.display());
    let root = checkout::root()?;
    let (mut copied, mut changed) = (0_u32, 0_u32);
    for file in files(&root).await? {
        let (from, to) = (root.join(&file), folder.join(&file));
        let bytes = tokio::fs::read(&from)
            .await
            .with_context(|| format!("cannot read {}", from.display()))?;
        let renamed = std::str::from_utf8(&bytes).ok().map(|text| name.renamed(text));
        let renamed = renamed.map_or_else(|| bytes.clone(), String::into_bytes);
        copied += 1;
        changed += u32::from(renamed != bytes);
        write(&from, &to, renamed)
            .await
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    eprintln!("{copied} files in {}, {changed} of them with other names", folder.display());
    eprintln!("next, there: `git init`, `git add --all`, `cargo xtask test`");
    Ok(ExitCode::SUCCESS)
}

/// Those that git tracks.
async fn files(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z"]).current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("cannot start git")?;
    anyhow::ensure!(output.status.success(), "git cannot list the files of {}", root.display());
    let listed = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    Ok(listed.split_terminator('\0').map(ToOwned::to_owned).collect())
}

/// The copy is executable if the original is.
async fn write(from: &Path, to: &Path, bytes: Vec<u8>) -> std::io::Result<()> {
    if let Some(folder) = to.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    tokio::fs::write(to, bytes).await?;
    tokio::fs::set_permissions(to, tokio::fs::metadata(from).await?.permissions()).await
}

/// The name of a service, in words joined by hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(String);

impl Name {
    fn parse(text: &str) -> Result<Self, String> {
        let is_word = |word: &str| {
            let letters = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit();
            word.starts_with(|first: char| first.is_ascii_lowercase()) && word.chars().all(letters)
        };
        if (3..=20).contains(&text.len()) && text.split('-').all(is_word) && text != NAME {
            return Ok(Self(text.to_owned()));
        }
        Err("a name has 3 to 20 lower-case letters and digits, in words joined by hyphens, each \
             of which begins with a letter"
            .to_owned())
    }

    /// The text of this service with the names of the other.
    fn renamed(&self, text: &str) -> String {
        let name = &self.0;
        let words = name.replace('-', " ");
        let upper = name.to_uppercase().replace('-', "_");
        let replace = |part: &str| {
            [
                (NAME, name.clone()),
                ("OrderService", self.camel_case()),
                ("Order service", capital(&words)),
                ("· order service</title>", format!("· {words}</title>")),
                ("orders-dev", format!("{name}-dev")),
                ("orders-local", format!("{name}-local")),
                ("orders-prod", format!("{name}-prod")),
                ("service=orders", format!("service={name}")),
                ("ORDER_EVENTS", format!("{upper}_ORDER_EVENTS")),
                ("USER_EVENTS", format!("{upper}_USER_EVENTS")),
            ]
            .into_iter()
            .fold(part.to_owned(), |text, (old, new)| text.replace(old, &new))
        };
        text.split(RECIPE).map(replace).collect::<Vec<_>>().join(RECIPE)
    }

    fn camel_case(&self) -> String {
        self.0.split('-').map(capital).collect::<Vec<_>>().concat()
    }
}

/// A text with a capital letter first.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_text_has_the_names_of_the_other_service_and_the_recipes_of_this_one() {
        let name = Name::parse("spare-parts").unwrap();
        let text = "urn:order-service:api OrderService orders-dev DEV_ORDER_EVENTS \
                    order-service/order/1";
        let renamed = "urn:spare-parts:api SpareParts spare-parts-dev \
                       DEV_SPARE_PARTS_ORDER_EVENTS order-service/order/1";
        assert_eq!(name.renamed(text), renamed);
    }

    #[test]
    fn titles_have_the_name_in_words() {
        let name = Name::parse("bookshop").unwrap();
        let titles = "# Order service <title>Console · order service</title>";
        assert_eq!(name.renamed(titles), "# Bookshop <title>Console · bookshop</title>");
        assert_eq!(capital("spare parts"), "Spare parts");
    }

    #[test]
    fn a_name_that_does_not_fit_everywhere_is_refused() {
        for wrong in ["", "ab", "Ledger", "ledger_1", "1st", "-ledger", "a--b", "order-service"] {
            Name::parse(wrong).unwrap_err();
        }
        for right in ["bookshop", "spare-parts", "s3-orders"] {
            Name::parse(right).unwrap();
        }
    }

    /// What looks like a name of this service and stays, with the reason.
    const STAYS: [(&str, &str); 14] = [
        ("order-service/orders-cursor/", "another recipe would refuse the cursors of clients"),
        (RECIPE, "another recipe would give an old key a second order"),
        ("order service", "in sentences and in licences: a copy is a service for orders, too"),
        ("--orders-table", "an option that names the table of orders"),
        ("0021-orders-are-listed", "a file about the list of orders"),
        ("operations-orders-", "how a page names an operation on orders"),
        ("\"orders-title\"", "the heading over the newest orders"),
        ("prefix(\"orders-\")", "a temporary folder of a local system"),
        ("orders-bench-", "a temporary folder of a benchmark"),
        ("\"orders-{:08x}\"", "the stack of one test"),
        ("orders-test", "the same"),
        ("orders-creating", "a user of a test's cluster"),
        ("orders-scheduled", "the same"),
        ("orders-stand-in", "a container that exists while images are made"),
    ];

    /// Whether a text has `order.?service` or `orders-`, in upper or lower case.
    fn has_an_old_name(text: &str) -> bool {
        text.to_lowercase().split("order").skip(1).any(|rest| {
            let after_one = rest.strip_prefix(|c: char| c != '\n').unwrap_or(rest);
            rest.starts_with("s-")
                || [rest, after_one].iter().any(|rest| rest.starts_with("service"))
        })
    }

    #[test]
    fn an_old_name_is_noticed_in_each_spelling() {
        for old in ["Order Service", "orderservice", "ORDER_SERVICE", "ORDERS-PROD"] {
            assert!(has_an_old_name(old), "{old}");
        }
        assert!(!has_an_old_name("orders in a service, ORDER_EVENTS, order\nservice"));
    }

    #[tokio::test]
    async fn no_file_has_the_old_names_afterwards() {
        let root = checkout::root().unwrap();
        // Not the one of the copy in which `cargo xtask verify --full` runs this.
        let name = Name::parse("bookshop").unwrap();
        let files = files(&root).await.unwrap();
        assert!(files.iter().any(|file| file == "template.yaml"), "{files:?}");
        let mut needed = BTreeSet::new();
        for file in files.iter().filter(|file| *file != "xtask/src/commands/rename.rs") {
            let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
            let mut renamed = name.renamed(&text);
            for (stays, _) in STAYS.iter().filter(|(stays, _)| text.contains(stays)) {
                renamed = renamed.replace(stays, "");
                needed.insert(stays);
            }
            assert!(!has_an_old_name(&renamed), "{file}");
        }
        assert_eq!(needed.len(), STAYS.len(), "only {needed:?} are needed");
    }
}
