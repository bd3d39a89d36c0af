//! Changes of the API that break clients of the version that was released last, and changes of what
//! was released.

use std::path::Path;
use std::process::Stdio;

use specifications::released::{NOT_COMPARED, RELEASED, last_released};
use tokio::process::Command;

use super::{Check, succeeds};
use crate::released;

/// oasdiff, from the Go module proxy.
const OASDIFF: &str = "github.com/oasdiff/oasdiff@v1.38.0";

/// The test that the comparison fails where it should.
const CONTROL: &str =
    "checks::breaking::tests::a_change_that_breaks_clients_fails_unless_it_is_meant";

/// git on the contracts of tagged versions; if Go is installed to build it, oasdiff on
/// docs/openapi.yaml and what was released last, and the test that it finds what it is for.
pub(super) async fn checks(root: &Path) -> anyhow::Result<Vec<Check>> {
    let compared = released::comparisons(root)?.into_iter();
    let mut checks: Vec<Check> = compared
        .map(|command| Check::of("contracts as they were tagged (git diff)", command.into()))
        .collect();
    let last = last_released(root)?;
    if last.is_none() {
        eprintln!("{NOT_COMPARED}, so docs/openapi.yaml may change in any way");
    }
    if !succeeds("go", &["version"]).await {
        eprintln!("`go` is missing, so docs/openapi.yaml is not compared with the last version");
        return Ok(checks);
    }
    let control = ["test", "--locked", "--package", "xtask", "--", "--include-ignored", "--exact"];
    let mut control = Check::of_cargo(root, "control of oasdiff", &control);
    control.command.arg(CONTROL);
    checks.push(control);
    if let Some(last) = last {
        let document = root.join("docs/openapi.yaml");
        let accepted = root.join(RELEASED).join("accepted.txt");
        let mut oasdiff = comparison(&last.folder.join("openapi.yaml"), &document, &accepted);
        oasdiff.current_dir(root);
        checks.push(Check::of("API since the last version (oasdiff)", oasdiff));
    }
    Ok(checks)
}

/// Compares two versions of the API. A change that breaks clients fails, unless `accepted` lists
/// it.
fn comparison(last: &Path, document: &Path, accepted: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .args(["run", OASDIFF, "breaking", "--fail-on", "WARN"])
        .arg("--err-ignore")
        .arg(accepted)
        .arg("--warn-ignore")
        .arg(accepted)
        .args([last, document])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A change: how it is made, and the line of `accepted.txt` that says that it is meant, as
    /// `released/README.md` explains it.
    type Change = (fn(&mut Value), &'static str);

    const BREAKING: [Change; 3] = [
        (
            |api| {
                let product = &mut api["components"]["schemas"]["Product"];
                product["properties"].as_object_mut().unwrap().remove("name");
                product["required"].as_array_mut().unwrap().retain(|name| name != "name");
            },
            "GET /v1/products removed the required property `products/items/name` from the \
             response with the `200` status: products have pictures now",
        ),
        (
            |api| {
                let order = &mut api["components"]["schemas"]["CreateOrder"];
                order["required"].as_array_mut().unwrap().push(json!("user_id"));
            },
            "POST /v1/orders the request property `user_id` became required: orders are entrusted",
        ),
        (
            |api| drop(api["paths"].as_object_mut().unwrap().remove("/v1/products")),
            "GET /v1/products API path removed without deprecation: the shop has no list",
        ),
    ];

    /// What the comparison of a version with a changed copy of it says, and whether it is a
    /// success. The version is made up, of the document as it is: that needs no released one.
    async fn compared(change: impl Fn(&mut Value), accepted: &str) -> (bool, String) {
        let root = harness::checkout::root().unwrap();
        let last = root.join("docs/openapi.yaml");
        let mut api = local_lambda::yaml_document(&last).unwrap();
        change(&mut api);
        let folder = tempfile::tempdir().unwrap();
        let (document, file) = (folder.path().join("api.yaml"), folder.path().join("accepted.txt"));
        // JSON is YAML.
        std::fs::write(&document, api.to_string()).unwrap();
        std::fs::write(&file, accepted).unwrap();
        let output = comparison(&last, &document, &file).output().await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A run of a test that does not exist succeeds, and would compare nothing.
    #[test]
    fn the_control_has_the_name_of_its_test() {
        let test = a_change_that_breaks_clients_fails_unless_it_is_meant;
        assert_eq!(std::any::type_name_of_val(&test), format!("xtask::{CONTROL}"));
    }

    #[tokio::test]
    #[ignore = "it needs Go: `cargo xtask test` runs it where there is one"]
    async fn a_change_that_breaks_clients_fails_unless_it_is_meant() {
        let (succeeds, printed) = compared(|_| {}, "").await;
        assert!(succeeds, "{printed}");
        let added = |api: &mut Value| {
            let product = &mut api["components"]["schemas"]["Product"];
            product["properties"]["picture"] = json!({"type": "string"});
        };
        let (succeeds, printed) = compared(added, "").await;
        assert!(succeeds, "{printed}");

        for (change, meant) in BREAKING {
            let (succeeds, printed) = compared(change, "").await;
            assert!(!succeeds, "{meant}: {printed}");
            assert!(printed.contains("1 error"), "{meant}: {printed}");
            let (succeeds, printed) = compared(change, meant).await;
            assert!(succeeds, "{meant}: {printed}");
            // Nothing but that change is meant.
            let others = BREAKING.iter().map(|(_, line)| *line).filter(|line| *line != meant);
            let (succeeds, printed) =
                compared(change, &others.collect::<Vec<_>>().join("\n")).await;
            assert!(!succeeds, "{meant}: {printed}");
        }
    }
}
