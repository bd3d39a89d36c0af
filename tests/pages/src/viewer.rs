//! The viewer of the API's documentation: Swagger UI, from npm's registry, in a cache below Cargo's
//! target folder. It needs neither Node nor a foreign server while it is read.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::cache;
use sha2::{Digest, Sha512};
use tokio::process::Command;

/// Apache-2.0; its licence and notice stay beside its files.
const VERSION: &str = "5.35.0";

const ADDRESS: &str = "https://registry.npmjs.org/swagger-ui-dist/-/swagger-ui-dist-5.35.0.tgz";

/// The registry's `dist.integrity`, which is the SHA-512 of the archive.
const INTEGRITY: &str =
    "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==";

/// The files that are kept, of some thirty.
const FILES: [&str; 4] = ["swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE"];

/// How long the download may take, in seconds.
const DOWNLOAD_SECONDS: &str = "120";

/// The folder with the viewer's files, downloaded if it is missing. It appears complete or not at
/// all. If several processes need it at once, one downloads it and the others wait.
///
/// # Errors
/// When it cannot be downloaded, or is not what was expected.
pub(crate) async fn ensure(target: &Path) -> anyhow::Result<PathBuf> {
    let folder = target.join(format!("swagger-ui-{VERSION}"));
    cache::fetched(&folder, "files", "the viewer", fetch).await
}

async fn fetch(temporary: &Path) -> anyhow::Result<PathBuf> {
    let archive = temporary.join("viewer.tgz");
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location", "--max-time", DOWNLOAD_SECONDS]);
    run(curl.arg("--output").arg(&archive).arg(ADDRESS)).await?;
    check(&tokio::fs::read(&archive).await?, INTEGRITY)?;
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--gzip").arg("--file").arg(&archive);
    tar.arg("--directory").arg(temporary);
    run(tar.args(FILES.map(|file| format!("package/{file}")))).await?;
    Ok(temporary.join("package"))
}

/// Checks an archive's SHA-512, in base64 as npm writes it.
fn check(archive: &[u8], expected: &str) -> anyhow::Result<()> {
    let found = STANDARD.encode(Sha512::digest(archive));
    anyhow::ensure!(
        found == expected,
        "{ADDRESS} has the SHA-512 {found}, not {expected}: it is not the viewer that was chosen"
    );
    Ok(())
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let ended = ended.with_context(|| format!("`{program}` cannot be started"))?;
    anyhow::ensure!(
        ended.status.success(),
        "`{program}` could not fetch the viewer from {ADDRESS}: {}",
        String::from_utf8_lossy(&ended.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ADDRESS, VERSION, check};

    #[test]
    fn an_archive_with_another_digest_is_refused() {
        let empty = "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        check(b"", empty).unwrap();
        let refused = check(b"changed", empty).unwrap_err().to_string();
        assert!(refused.contains("not the viewer that was chosen"), "{refused}");
    }

    #[test]
    fn the_address_names_the_version() {
        assert!(ADDRESS.ends_with(&format!("-{VERSION}.tgz")));
    }
}
