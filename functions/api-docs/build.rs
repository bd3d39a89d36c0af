//! Compresses the files of the page. The files of the viewer, Swagger UI, come from npm's registry,
//! once per folder of a build.

#![expect(
    clippy::disallowed_methods,
    reason = "Cargo configures a build script through its environment"
)]

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

/// The viewer's version. Its licence, Apache-2.0, and its notice are served beside it, with those
/// of the code that it contains.
const VERSION: &str = "5.35.0";

/// The registry's `dist.integrity`, the SHA-512 of the archive.
const INTEGRITY: &str =
    "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==";

/// The viewer's files, and the licences in the order in which they are served.
const BUNDLE: &str = "swagger-ui-bundle.js";
const STYLE: &str = "swagger-ui.css";
const LICENCES: [&str; 3] = ["LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"];

/// The absolute path of the viewer's archive, for a machine that cannot reach the registry.
const ARCHIVE: &str = "SWAGGER_UI_ARCHIVE";

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

    // The folder of a build outlives a change of this script, so its name contains the version.
    let viewer = out.join(format!("swagger-ui-{VERSION}"));
    if !viewer.is_dir() {
        fetch(&out, &viewer)?;
    }
    for (file, name) in [(BUNDLE, "viewer.js"), (STYLE, "viewer.css")] {
        write(&out, name, &read(&viewer.join(file))?)?;
    }
    let licences = LICENCES.map(|name| read(&viewer.join(name)));
    let licences = licences.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    write(&out, "viewer-licences.txt", &licences.join(&b"\n\n"[..]))
}

fn pack(file: &Path, out: &Path, name: &str) -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed={}", file.display());
    write(out, name, &read(file)?)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(out: &Path, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(content)?;
    Ok(fs::write(out.join(format!("{name}.gz")), packed.finish()?)?)
}

/// Leaves all of the viewer's files in a folder, or none.
fn fetch(out: &Path, viewer: &Path) -> anyhow::Result<()> {
    let incoming = out.join("incoming");
    if incoming.exists() {
        fs::remove_dir_all(&incoming)?;
    }
    fs::create_dir_all(&incoming)?;
    let archive = match std::env::var_os(ARCHIVE).filter(|path| !path.is_empty()) {
        Some(archive) => PathBuf::from(archive),
        None => download(&incoming)?,
    };
    anyhow::ensure!(
        archive.is_absolute(),
        "{ARCHIVE} must be an absolute path, and is {}",
        archive.display()
    );
    check(&archive)?;
    let options = ["--extract", "--gzip", "--strip-components=1", "--file"].map(OsString::from);
    let files = [BUNDLE, STYLE].into_iter().chain(LICENCES);
    let files = files.map(|name| format!("package/{name}").into());
    let whereto = ["--directory".into(), incoming.clone().into()];
    run("tar", options.into_iter().chain([archive.into()]).chain(whereto).chain(files))?;
    Ok(fs::rename(incoming, viewer)?)
}

fn download(folder: &Path) -> anyhow::Result<PathBuf> {
    let address =
        format!("https://registry.npmjs.org/swagger-ui-dist/-/swagger-ui-dist-{VERSION}.tgz");
    let archive = folder.join("viewer.tgz");
    let options = ["--fail", "--silent", "--show-error", "--location", "--max-time"];
    let options = options.map(OsString::from).into_iter();
    let rest = [DOWNLOAD_SECONDS.into(), "--output".into(), archive.clone().into()];
    run("curl", options.chain(rest).chain([OsString::from(&address)])).with_context(|| {
        format!(
            "the viewer of the API's documentation comes from {address}; where that cannot be \
             reached, set {ARCHIVE} to the path of a copy"
        )
    })?;
    Ok(archive)
}

/// Checks an archive's SHA-512, in base64 as npm writes it.
fn check(archive: &Path) -> anyhow::Result<()> {
    let found = STANDARD.encode(Sha512::digest(read(archive)?));
    anyhow::ensure!(
        found == INTEGRITY,
        "{} has the SHA-512 {found}, and not {INTEGRITY}: it is not the viewer that was chosen",
        archive.display()
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
