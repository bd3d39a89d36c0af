//! Compresses the files of the page. The viewer among them, Swagger UI, comes from npm's registry,
//! once per target folder.

#![expect(clippy::disallowed_methods, reason = "Cargo tells a build script by its environment")]

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha512};

/// Apache-2.0; its licence and notice are served beside it.
const ADDRESS: &str = "https://registry.npmjs.org/swagger-ui-dist/-/swagger-ui-dist-5.35.0.tgz";

/// The registry's `dist.integrity`, which is the SHA-512 of the archive.
const INTEGRITY: &str =
    "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==";

/// The archive, for a machine that cannot reach the registry.
const ARCHIVE: &str = "SWAGGER_UI_ARCHIVE";

/// How long the download may take, in seconds.
const DOWNLOAD_SECONDS: &str = "120";

const OWN: [&str; 4] = ["docs.html", "docs.css", "docs.js", "icon.svg"];
const DESCRIPTION: &str = "../../docs/openapi.yaml";

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={ARCHIVE}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("Cargo gives no OUT_DIR")?);
    for name in OWN {
        pack(&Path::new("static").join(name), &out, name)?;
    }
    pack(Path::new(DESCRIPTION), &out, "openapi.yaml")?;

    let viewer = out.join("package");
    if !viewer.is_dir() {
        fetch(&out)?;
    }
    for (file, name) in [("swagger-ui-bundle.js", "viewer.js"), ("swagger-ui.css", "viewer.css")] {
        write(&out, name, &fs::read(viewer.join(file))?)?;
    }
    let licence = ["LICENSE", "NOTICE"].map(|name| fs::read(viewer.join(name)));
    let [licence, notice] = licence;
    write(&out, "viewer-licence.txt", &[licence?, notice?].concat())
}

/// Compresses a file of the repository.
fn pack(file: &Path, out: &Path, name: &str) -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed={}", file.display());
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    write(out, name, &content)
}

fn write(out: &Path, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(content)?;
    Ok(fs::write(out.join(format!("{name}.gz")), packed.finish()?)?)
}

/// Leaves the viewer's files in `package`, complete or not at all.
fn fetch(out: &Path) -> anyhow::Result<()> {
    let temporary = out.join("incoming");
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    fs::create_dir_all(&temporary)?;
    let archive = match std::env::var_os(ARCHIVE) {
        Some(archive) => PathBuf::from(archive),
        None => download(&temporary)?,
    };
    let content = fs::read(&archive);
    check(&content.with_context(|| format!("cannot read {}", archive.display()))?)?;
    run(
        "tar",
        [
            "--extract".into(),
            "--gzip".into(),
            "--file".into(),
            archive.into(),
            "--directory".into(),
            temporary.clone().into(),
        ],
    )?;
    Ok(fs::rename(temporary.join("package"), out.join("package"))?)
}

fn download(folder: &Path) -> anyhow::Result<PathBuf> {
    let archive = folder.join("viewer.tgz");
    let options = ["--fail", "--silent", "--show-error", "--location", "--max-time"];
    let rest = [DOWNLOAD_SECONDS.into(), "--output".into(), archive.clone().into(), ADDRESS.into()];
    run("curl", options.map(OsString::from).into_iter().chain(rest)).with_context(|| {
        format!(
            "the viewer of the API's documentation comes from {ADDRESS}; where that cannot be \
             reached, set {ARCHIVE} to the path of a copy"
        )
    })?;
    Ok(archive)
}

/// Checks an archive's SHA-512, in base64 as npm writes it.
fn check(archive: &[u8]) -> anyhow::Result<()> {
    let found = STANDARD.encode(Sha512::digest(archive));
    anyhow::ensure!(
        found == INTEGRITY,
        "{ADDRESS} has the SHA-512 {INTEGRITY}, and not {found}: this is not the viewer that was \
         chosen"
    );
    Ok(())
}

fn run(program: &str, arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let ended = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let ended = ended.with_context(|| format!("`{program}` cannot be started"))?;
    let errors = String::from_utf8_lossy(&ended.stderr);
    anyhow::ensure!(ended.status.success(), "`{program}` failed: {}", errors.trim());
    Ok(())
}
