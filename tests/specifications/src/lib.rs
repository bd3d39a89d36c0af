//! The contracts that machines read, made from the code: `docs/openapi.yaml`, `docs/asyncapi.yaml`
//! and a JSON Schema of each event. Beside them, the lists of routes that are made from
//! `template.yaml`.
//!
//! # Layout
//!
//! - [`openapi`]: the HTTP API, from a table of its operations
//! - [`asyncapi`]: the events and how they travel
//! - [`released`]: which of the versions in `released/` were released, and so which one the
//!   contracts of the code are compared with
//! - `routes`: the routes of `cargo lambda watch` and of health
//! - `schemas`: the bodies, from the types of `contracts`
//! - `yaml`: a document as text, the same for the same document

#![expect(
    clippy::indexing_slicing,
    reason = "a member of a JSON object that was made a line before; a missing one is added"
)]

pub mod asyncapi;
pub mod openapi;
pub mod released;
mod routes;
mod schemas;
mod yaml;

use std::io;
use std::path::Path;

use contracts::event::EventType;
use released::RELEASED;

/// The command that writes the files, as a failed check names it.
pub const COMMAND: &str = "cargo xtask contracts";

/// A file that is made from the code or from the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the root of the repository.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Every file that is made from the code, or from `template.yaml` below the root of the repository.
///
/// # Errors
///
/// If the template cannot be read. A document of strings, numbers and maps can always be written;
/// its error is returned so that no caller has to rely on that.
pub fn files(root: &Path) -> io::Result<Vec<File>> {
    let mut files = vec![openapi_file("docs")?];
    let asyncapi = yaml::text(&asyncapi::document()?)?;
    files.push(File { path: "docs/asyncapi.yaml".to_owned(), text: asyncapi });
    files.extend(schema_files("docs")?);
    files.extend(routes::files(root)?);
    Ok(files)
}

fn openapi_file(folder: &str) -> io::Result<File> {
    let text = yaml::text(&openapi::document())?;
    Ok(File { path: format!("{folder}/openapi.yaml"), text })
}

fn schema_files(folder: &str) -> io::Result<Vec<File>> {
    let schema = |event_type: EventType| {
        let schema = serde_json::to_string_pretty(&contracts::schema::of_event(event_type))?;
        let path = format!("{folder}/events/{}.schema.json", event_type.as_str());
        Ok(File { path, text: format!("{schema}\n") })
    };
    EventType::ALL.into_iter().map(schema).collect()
}

/// The contracts of the code as those of its version: the API, the schemas of the events, and an
/// example of each event as it is written.
///
/// # Errors
///
/// As for the documents of [`files`].
pub fn released_files() -> io::Result<Vec<File>> {
    let folder = format!("{RELEASED}/{}", env!("CARGO_PKG_VERSION"));
    let mut files = vec![openapi_file(&folder)?];
    files.extend(schema_files(&folder)?);
    for event_type in EventType::ALL {
        let event = asyncapi::example(event_type).encode()?;
        let path = format!("{folder}/events/{}.json", event_type.as_str());
        let text = String::from_utf8(event).map_err(io::Error::other)?;
        files.push(File { path, text: format!("{text}\n") });
    }
    Ok(files)
}

/// The paths of those files that are missing or differ from what they are made from.
///
/// # Errors
///
/// If a file is there and cannot be read, or as [`files`].
pub fn differences(root: &Path) -> io::Result<Vec<String>> {
    let mut different = Vec::new();
    for file in files(root)? {
        let stored = match std::fs::read_to_string(root.join(&file.path)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if stored.as_ref() != Some(&file.text) {
            different.push(file.path);
        }
    }
    Ok(different)
}

/// Writes files below the root of the repository.
///
/// # Errors
///
/// If one cannot be written.
pub fn write(root: &Path, files: Vec<File>) -> io::Result<()> {
    for file in files {
        let path = root.join(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, file.text)?;
    }
    Ok(())
}
