//! The client in `examples/typescript`, whose types a generator makes from `docs/openapi.yaml`.

use std::process::Stdio;

use harness::provision::{DEMO_EMAIL, DEMO_PASSWORD};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::app::{App, options, root, text, with_own};
use crate::subscribers::{copy_of, run};

#[test]
#[ignore = "it installs packages with npm: `cargo xtask verify --full` runs it"]
fn a_generated_client_logs_in_orders_lists_and_cancels() {
    with_own(async || {
        let app = App::start(options()).await;
        let folder = copy_of("typescript");
        run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], &folder).await;
        let document = root().join("docs/openapi.yaml");
        let generator = folder.join("node_modules/.bin/openapi-typescript");
        let generate = [document.to_str().unwrap(), "--output", "openapi.ts"];
        run(generator.to_str().unwrap(), &generate, &folder).await;
        // The build fails if the client does not fit the types.
        run("npm", &["run", "build"], &folder).await;

        let mut client = Command::new("node");
        client.arg(folder.join("built/client.js")).arg(&app.system.api_url);
        client.args([DEMO_EMAIL, DEMO_PASSWORD]).stdin(Stdio::null());
        let output = client.output().await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> =
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_step =
            |step: &str| lines.iter().filter(|line| line["step"] == step).collect::<Vec<_>>();

        assert_eq!(of_step("logged in").len(), 1);
        let ordered: Vec<String> =
            of_step("ordered").into_iter().map(|line| text(&line["order_id"])).collect();
        assert_eq!(ordered.len(), 2);
        let listed = of_step("listed")[0]["order_ids"].as_array().unwrap();
        let listed: Vec<String> = listed.iter().map(text).collect();
        let newest_first: Vec<String> = ordered.iter().rev().cloned().collect();
        assert_eq!(listed, newest_first);
        let cancelled = of_step("cancelled");
        assert_eq!(cancelled.len(), 2);
        for line in cancelled {
            assert_eq!(line["status"], "CANCELLED");
            assert_eq!(app.order(&text(&line["order_id"])).await["status"], "CANCELLED");
        }
        let refused = json!({"step": "refused", "type": "urn:order-service:problem:not-found"});
        assert_eq!(lines.last(), Some(&refused));
    });
}
