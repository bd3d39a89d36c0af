//! The files of the documentation, compressed when the crate is built.

use std::io::{self, Read};

use flate2::read::GzDecoder;

/// Scripts, styles and connections of this origin only, nothing inline, and in no frame. The
/// viewer's style sheet has pictures in itself.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                          img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";

/// What is served at one path, as it is in the binary.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its name below `/docs`.
    pub name: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its content, in the form of gzip.
    pub gzipped: &'static [u8],
}

impl File {
    /// Its content as it is.
    ///
    /// # Errors
    ///
    /// If it cannot be decompressed.
    pub fn content(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        GzDecoder::new(self.gzipped).read_to_end(&mut content)?;
        Ok(content)
    }
}

macro_rules! file {
    ($name:literal, $content_type:literal) => {
        File {
            name: $name,
            content_type: $content_type,
            gzipped: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
        }
    };
}

/// The page of `/docs` itself.
pub const PAGE: File = file!("docs.html", "text/html; charset=utf-8");

/// What the page refers to.
pub const FILES: [File; 7] = [
    file!("docs.css", "text/css; charset=utf-8"),
    file!("docs.js", "text/javascript; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("openapi.yaml", "application/yaml"),
    file!("viewer.css", "text/css; charset=utf-8"),
    file!("viewer.js", "text/javascript; charset=utf-8"),
    file!("viewer-licences.txt", "text/plain; charset=utf-8"),
];
